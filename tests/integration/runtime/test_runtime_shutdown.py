"""How a worker ends (resilience §8)."""

import signal
import time
from pathlib import Path

from tests.lab.laboratory import Laboratory
from tests.lab.load import event, numbered
from tests.lab.waiting import eventually

GRACE_SECONDS = 6


async def test_resilience_13_a_hung_step_ends_the_worker_with_1_after_the_grace_and_is_redelivered(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=2) as lab:
        await lab.create_topics()
        worker = lab.worker(SHUTDOWN_GRACE_SECONDS=GRACE_SECONDS).start(LAB_HANG_AT=1_000)
        await lab.send(numbered(lab.rng, range(200), keys=20))
        await lab.until_committed()
        await lab.send([event("k1", "hung", 1_000)])
        await eventually(lambda: "step_hangs" in worker.log, "the step hangs")

        told = time.monotonic()
        assert await worker.terminate(seconds=GRACE_SECONDS + 20) == 1
        assert time.monotonic() - told >= GRACE_SECONDS

        assert await lab.missing_derived() == {"hung"}
        await lab.cluster.expel(lab.group, worker.name)
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        (await lab.audit()).assert_sound()


async def test_resilience_13_what_the_other_partitions_have_done_is_committed_before_a_hung_one_ends_the_worker(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=2) as lab:
        await lab.create_topics()
        worker = lab.worker(SHUTDOWN_GRACE_SECONDS=GRACE_SECONDS).start(LAB_HANG_AT=1_000)
        await lab.send([event("k1", "hung", 1_000)])
        await eventually(lambda: "step_hangs" in worker.log, "the step hangs")
        (hung,) = await lab.cluster.read(lab.topics[0])
        await lab.send(numbered(lab.rng, range(100), keys=20))
        elsewhere = [one for one in await lab.cluster.read(lab.topics[0]) if one.partition != hung.partition]
        await lab.until_derived_is(len(elsewhere))

        assert await worker.terminate(seconds=GRACE_SECONDS + 20) == 1
        committed = {tp.partition: offset for tp, offset in (await lab.cluster.committed(lab.group)).items()}
        assert committed == {1 - hung.partition: len(elsewhere)}


async def test_a_second_signal_ends_the_worker_with_1_at_once(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        await lab.send([event("k1", "hung", 1_000)])
        worker = lab.worker(SHUTDOWN_GRACE_SECONDS=120).start(LAB_HANG_AT=1_000)
        await eventually(lambda: "step_hangs" in worker.log, "the step hangs")
        worker.tell(signal.SIGTERM)
        await eventually(lambda: "Signal received" in worker.log, "the first signal is heard")
        assert await worker.terminate() == 1


async def test_a_step_that_raises_ends_the_worker_within_seconds(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        worker = lab.worker().start(LAB_RAISE_AT=7)
        await lab.send(numbered(lab.rng, range(7), keys=5))
        await lab.until_derived_is(7)  # there is something to commit when it ends
        await lab.send([event("k1", "raises", 7)])
        await eventually(lambda: "step_failed" in worker.log, "the step raises")
        assert await worker.exit_code(seconds=8) == 1
