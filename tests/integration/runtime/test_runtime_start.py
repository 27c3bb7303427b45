"""What a worker refuses to start on, naming the thing and the cure, and what it waits for."""

from pathlib import Path

import pytest

from tests.lab.laboratory import Laboratory
from tests.lab.load import event, numbered
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.waiting import eventually


async def some_state(lab: Laboratory, **environ: int) -> None:
    """Leave a worker's state behind: 500 events are counted."""
    await lab.create_topics()
    await lab.send(numbered(lab.rng, range(500), keys=50))
    worker = lab.worker("a").start(**environ)
    await lab.until_committed()
    assert await worker.terminate() == 0


@pytest.mark.parametrize("refilled", [0, 10])
async def test_a_source_topic_that_was_recreated_ends_the_start_with_code_3_and_the_cure(
    kafka: str, tmp_path: Path, refilled: int
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await some_state(lab)
        (topic,) = lab.topics
        await lab.cluster.delete(topic)
        await lab.create_topics()
        await lab.send(event("k", f"new{number}", 1) for number in range(refilled))

        worker = lab.worker("a").start()
        assert await worker.exit_code() == 3

        assert f"offset 499 of {topic}-0 was applied, but the topic ends at {refilled}" in flat(worker.log)
        assert f"delete the changelog topic {lab.group}-counts-changelog and the folder" in flat(worker.log)


async def test_a_changelog_with_another_partition_count_ends_the_start_with_code_3_and_the_cure(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=2) as lab:
        await lab.create_topics()
        changelog = f"{lab.group}-counts-changelog"
        await lab.cluster.create(changelog, 3)

        worker = lab.worker().start()
        assert await worker.exit_code() == 3

        assert f"changelog topic {changelog} has 3 partitions, expected 2" in flat(worker.log)
        assert "delete the changelog topic" in flat(worker.log)


async def test_co_partitioned_topics_that_differ_end_the_start_with_code_3_and_the_cure(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, topics=("lab.a", "lab.b")) as lab:
        first, second = lab.topics
        await lab.cluster.create(first, 2)
        await lab.cluster.create(second, 3)

        worker = lab.worker().start()
        assert await worker.exit_code() == 3

        assert f"topic {second} has 3 partitions, expected 2 as {first} has" in flat(worker.log)
        assert "recreate it with that number of partitions" in flat(worker.log)


@pytest.mark.parametrize("disk", ["kept", "wiped"])
async def test_state_of_a_newer_schema_ends_the_start_with_code_3_and_the_cure(
    kafka: str, tmp_path: Path, disk: str
) -> None:
    async with Laboratory(kafka, tmp_path) as lab:
        await some_state(lab, LAB_STATE_VERSION=2)

        worker = lab.worker("a" if disk == "kept" else "b").start(LAB_STATE_VERSION=1)
        assert await worker.exit_code() == 3

        assert "table counts: its state has schema version 2, this release reads up to 1" in flat(worker.log)
        assert "start the newer release again" in flat(worker.log)


async def test_a_worker_waits_for_an_absent_broker_until_it_is_told_to_stop_and_exits_with_code_0(
    own_kafka: OwnServer[ProxiedKafka], kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path) as lab:
        worker = lab.worker(**own_kafka.environ).start()
        await eventually(lambda: worker.log.count("waiting_for_kafka") >= 2, "the worker says twice that it waits")

        assert await worker.terminate() == 0


async def test_processing_begins_when_the_broker_comes(
    own_kafka: OwnServer[ProxiedKafka], kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path) as waiting:
        worker = waiting.worker(**own_kafka.environ).start()
        await eventually(lambda: worker.log.count("waiting_for_kafka") >= 2, "the worker waits")
        await own_kafka.start()

        async with Laboratory(own_kafka.server.bootstrap_servers, tmp_path, like=waiting) as lab:
            await eventually(lambda: "Worker ready" in worker.log, "the worker is ready")
            await lab.send(numbered(lab.rng, range(1_000), keys=10))
            await lab.until_committed()
            assert await worker.terminate() == 0
            (await lab.audit()).assert_sound()


def flat(log: str) -> str:
    """Return a log with its line breaks and colours out of the way."""
    return " ".join(log.split())
