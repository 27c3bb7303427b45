"""A worker that makes no progress is ended, and the next one goes on (resilience §9)."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from faust.types import TP

from bridge_app.runtime.broker_offsets import BrokerOffsets
from bridge_app.runtime.stalls import Offsets, Owned, Stall
from bridge_app.runtime.watchdog import ANSWER_SECONDS
from bridge_app.settings import Settings
from tests.lab.laboratory import Laboratory
from tests.lab.load import event, numbered
from tests.lab.waiting import eventually

STALL_SECONDS = 3


async def test_resilience_14_a_partition_whose_commits_are_blocked_ends_the_worker_with_70_then_it_moves(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=2) as lab:
        await lab.create_topics()
        await lab.send(numbered(lab.rng, range(200), keys=20))
        worker = lab.worker(WATCHDOG_STALL_SECONDS=STALL_SECONDS).start(LAB_BLOCK_COMMITS=1)

        assert await worker.exit_code(seconds=STALL_SECONDS + 30) == 70

        assert "commits_stalled" in worker.log
        assert f"{lab.topics[0]}-1 has been committed up to -1" in worker.log
        await lab.cluster.expel(lab.group, worker.name)
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        (await lab.audit()).assert_sound()


async def test_resilience_14_a_step_that_hangs_ends_the_worker_with_70_then_it_moves(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        await lab.send([event("k", "e0", 0), event("k", "e1", 1)])
        worker = lab.worker(WATCHDOG_STALL_SECONDS=STALL_SECONDS).start(LAB_HANG_AT=1)

        assert await worker.exit_code(seconds=STALL_SECONDS + 30) == 70

        await lab.cluster.expel(lab.group, worker.name)
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        (await lab.audit()).assert_sound()


async def test_resilience_14_a_partition_without_a_leader_hides_nothing_of_the_others(
    kafka: str, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    async with Laboratory(kafka, tmp_path, topics=("lab.a",), partitions=1) as lab:
        await lab.create_topics()
        await lab.cluster.send(lab.topics[0], b"k", b"1", b"2")
        here, gone = TP(lab.topics[0], 0), TP(lab.prefix + "lab.gone", 0)
        broker = BrokerOffsets(make_settings(KAFKA_BOOTSTRAP_SERVERS=kafka))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = await broker.offsets({lab.group: [here, gone]})
                stalls = [Stall(owned, offsets, 0.0, offsets.end) for owned, offsets in found.items()]
                real = await broker.with_records(stalls)
        finally:
            await broker.disconnect()
    assert found == {Owned(lab.group, here): Offsets(-1, 2)}
    assert real == stalls


async def test_resilience_14_the_marks_of_transactions_are_no_lag(kafka: str, tmp_path: Path) -> None:
    """They take an offset behind the last record, and no consumer ever commits it."""
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        worker = lab.worker(WATCHDOG_STALL_SECONDS=1).start()
        await lab.cluster.send_transaction(lab.topics[0], b"k", b'["e0",1]')
        await lab.until_derived_is(1)
        looks = "watchdog_forgives"
        await eventually(lambda: worker.log.count(looks) >= 2, "the watchdog has looked twice after its limit")
        assert await worker.terminate() == 0


async def test_resilience_14_a_stopped_topic_does_not_end_the_worker(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, topics=("lab.a", "lab.b"), partitions=1) as lab:
        await lab.create_topics()
        worker = lab.worker(WATCHDOG_STALL_SECONDS=1, KAFKA_ENABLE_DLQ="false").start()
        await lab.cluster.send(lab.topics[0], b"", b'["x",1]')
        await eventually(lambda: "topic_stopped" in worker.log, "the topic stops")
        await lab.send(numbered(lab.rng, range(5_000), keys=5), topic=1, per_second=1_000)  # five limits long
        assert await worker.terminate() == 0


async def test_resilience_14_a_blocked_event_loop_is_told_with_its_stack_and_ends_the_worker_with_71(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        await lab.send([event("k", "e0", 0)])
        worker = lab.worker(LAB_SESSION=30, LAB_LOOP_DEAD=3).start(LAB_STEP_MICROS=60_000_000)

        assert await worker.exit_code() == 71

        assert "event_loop_blocked" in worker.log
        assert "time.sleep(STEP_SECONDS)" in worker.log
        await lab.cluster.expel(lab.group, worker.name)
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        (await lab.audit()).assert_sound()
