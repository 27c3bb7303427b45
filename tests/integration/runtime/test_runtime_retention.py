"""What a topic drops before it was read is reported exactly, never silently (resilience, F10)."""

import re
from pathlib import Path

from aiokafka import TopicPartition

from tests.lab.laboratory import Laboratory
from tests.lab.load import numbered
from tests.lab.waiting import eventually

EVENTS = 200


async def test_records_dropped_while_no_worker_ran_are_told_exactly(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        (topic,) = lab.topics
        await lab.send(numbered(lab.rng, range(EVENTS), keys=10))
        worker = lab.worker().start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        await lab.send(numbered(lab.rng, range(EVENTS, 2 * EVENTS), keys=10))
        await lab.cluster.delete_before(TopicPartition(topic, 0), EVENTS + 50)

        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        assert f"{topic}-0 lost offsets {EVENTS} to {EVENTS + 49} before {lab.group} read them" in worker.log
        assert worker.log.count("records_lost") == 1
        assert worker.report["count"]["applied"] == EVENTS - 50


async def test_records_dropped_while_a_worker_stood_still_are_told_exactly(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        (topic,) = lab.topics
        await lab.send(numbered(lab.rng, range(EVENTS), keys=10))
        worker = lab.worker(LAB_SESSION=40).start()
        await lab.until_committed()
        worker.freeze()
        await eventually(lambda: worker.is_stopped, "the worker stands still")
        await lab.send(numbered(lab.rng, [EVENTS], keys=10))  # answers the fetch that waits at the broker
        await lab.send(numbered(lab.rng, range(EVENTS + 1, 2 * EVENTS), keys=10))
        await lab.cluster.delete_before(TopicPartition(topic, 0), EVENTS + 50)
        worker.thaw()
        await lab.until_committed()
        await eventually(lambda: "records_lost" in worker.log, "the loss is told")
        assert await worker.terminate() == 0
        told = re.findall(rf"{topic}-0 lost offsets (\d+) to {EVENTS + 49} before {lab.group} read them", worker.log)
        assert set(told) <= {str(EVENTS), str(EVENTS + 1)}  # the first was in the answer, unless no fetch waited
        assert len(set(told)) == worker.log.count("records_lost") == 1
        assert worker.report["count"]["applied"] == EVENTS + int(told[0]) - 50


async def test_records_dropped_after_they_were_applied_are_no_loss(kafka: str, tmp_path: Path) -> None:
    """The worker was killed between its step and the commit: the table knows what was applied."""
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        (topic,) = lab.topics
        worker = lab.worker().start()
        await lab.send(numbered(lab.rng, range(EVENTS), keys=10))
        await lab.until_committed()
        assert await worker.terminate() == 0
        await lab.send(numbered(lab.rng, range(EVENTS, 2 * EVENTS), keys=10))
        assert await worker.start(LAB_KILL_AT="before_commit").exit_code() == -9
        await lab.cluster.expel(lab.group, worker.name)
        await lab.cluster.delete_before(TopicPartition(topic, 0), EVENTS + 1)
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        assert "records_lost" not in worker.log
