"""How soon the others have a worker's partitions: at once when it leaves, after its session when it dies.

Sessions are made long here: a hand-over that waits for one is not within the seconds that an orderly one may take.
"""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.lab.laboratory import Laboratory
from tests.lab.load import numbered
from tests.lab.marks import LONG
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

TIMES = [pytest.param(2, id="twice"), pytest.param(15, id="15 times", marks=LONG)]
DEATHS = [pytest.param(1, id="once"), pytest.param(10, id="10 times", marks=LONG)]
LONG_SESSION = 30
HAND_OVER_SECONDS = 12.0
SHORT_SESSION = 6
PER_SECOND = 100
STEP_MICROS = 1_000
BURST = 3_000


async def until_handed_over(lab: Laboratory, *, seconds: float = HAND_OVER_SECONDS) -> None:
    """Send events to every partition, and wait until whoever is left has committed them."""
    await lab.send(numbered(lab.rng, range(100), keys=100, name=f"{uuid4()}-"))
    await lab.until_committed(seconds=seconds)


async def until_says_again(worker: Worker, text: str, said: int) -> None:
    await eventually(lambda: worker.log.count(text) > said, f"{worker.name} says {text!r} once more")


def said(worker: Worker, text: str) -> int:
    return worker.log.count(text) if worker.log_path.exists() else 0


@pytest.mark.parametrize("times", TIMES)
async def test_a_worker_that_leaves_by_sigterm_has_handed_over_within_seconds(
    kafka: str, tmp_path: Path, times: int
) -> None:
    async with Laboratory(kafka, tmp_path) as lab:
        await lab.create_topics()
        staying, leaving = (lab.worker(name, LAB_SESSION=LONG_SESSION) for name in "ab")
        staying.start()
        async with lab.under_load(keys=500, per_second=PER_SECOND):
            for _ in range(times):
                leaving.start()
                await lab.until_members("a", "b")
                await lab.until_derived(lab.rng.randrange(1, 3 * PER_SECOND))
                assert await leaving.terminate() == 0
                await until_handed_over(lab)
        await lab.until_committed()
        assert await staying.terminate() == 0

        (await lab.audit()).assert_sound()


@pytest.mark.parametrize("times", TIMES)
async def test_a_worker_told_to_stop_while_its_group_rebalances_has_handed_over_within_seconds(
    kafka: str, tmp_path: Path, times: int
) -> None:
    """Stock Faust closes the client without leaving the group, which then waits for the session of a dead member."""
    async with Laboratory(kafka, tmp_path) as lab:
        await lab.create_topics()
        options = {"LAB_SESSION": LONG_SESSION, "LAB_STEP_MICROS": STEP_MICROS}
        staying, leaving, coming = (lab.worker(name, **options) for name in "abc")
        staying.start()
        for number in range(times):
            leaving.start()
            await lab.until_members("a", "b")
            joining, revoking = said(coming, "(Re-)joining"), said(leaving, "Revoking previously")
            coming.start()
            await until_says_again(coming, "(Re-)joining", joining)
            await lab.send(numbered(lab.rng, range(BURST), keys=500, name=f"burst{number}-"))  # keeps it in a step
            await until_says_again(leaving, "Revoking previously", revoking)
            assert await leaving.terminate() == 0
            await until_handed_over(lab)
            assert await coming.terminate() == 0
            await until_handed_over(lab)
        assert await staying.terminate() == 0

        (await lab.audit()).assert_sound()


@pytest.mark.parametrize("times", DEATHS)
async def test_the_partitions_of_a_killed_worker_are_taken_over_after_its_session(
    kafka: str, tmp_path: Path, times: int
) -> None:
    async with Laboratory(kafka, tmp_path) as lab:
        await lab.create_topics()
        staying, dying = (lab.worker(name, LAB_SESSION=SHORT_SESSION) for name in "ab")
        staying.start()
        async with lab.under_load(keys=500, per_second=PER_SECOND):
            for _ in range(times):
                dying.start()
                await lab.until_members("a", "b")
                await lab.until_derived(lab.rng.randrange(1, 3 * PER_SECOND))
                await dying.kill()
                await until_handed_over(lab, seconds=SHORT_SESSION + HAND_OVER_SECONDS)
        await lab.until_committed()
        assert await staying.terminate() == 0

        (await lab.audit()).assert_sound()
