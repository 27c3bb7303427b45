"""Workers join and leave under backlog: no event is left out, no effect is doubled, the commits reach the end."""

from pathlib import Path

import pytest

from tests.lab.laboratory import Laboratory
from tests.lab.marks import LONG
from tests.lab.worker import Worker

CYCLES = [pytest.param(3, id="3 cycles"), pytest.param(12, id="12 cycles", marks=LONG)]
#: Two workers do about 10,000 events per second and core: there is a backlog as long as they come and go.
STEP_MICROS = 100
BACKLOG = 10_000
PER_SECOND = 4_000


async def leave(lab: Laboratory, worker: Worker, how: str) -> None:
    if how == "SIGTERM":
        assert await worker.terminate() == 0
    else:
        await lab.kill(worker)


async def join_and_leave(lab: Laboratory, cycles: int, hows: list[str]) -> None:
    """Let worker b come and go, and worker a stay to the end."""
    await lab.create_topics()
    staying = lab.worker("a", LAB_STEP_MICROS=STEP_MICROS).start()
    coming = lab.worker("b", LAB_STEP_MICROS=STEP_MICROS)
    async with lab.under_load(keys=2_000, per_second=PER_SECOND, backlog=BACKLOG):
        for cycle in range(cycles):
            coming.start()
            await lab.until_members("a", "b")
            await lab.until_derived(lab.rng.randrange(1, 5_000))
            await leave(lab, coming, hows[cycle % len(hows)])
            await lab.until_members("a")
    await lab.until_committed()
    assert await staying.terminate() == 0


@pytest.mark.parametrize("cycles", CYCLES)
async def test_workers_that_join_and_leave_by_sigterm_under_backlog_lose_and_repeat_nothing(
    kafka: str, tmp_path: Path, cycles: int
) -> None:
    async with Laboratory(kafka, tmp_path) as lab:
        await join_and_leave(lab, cycles, ["SIGTERM"])

        audit = await lab.audit()
        audit.assert_sound()
        assert audit.copies == 0, "an orderly hand-over does nothing twice"


@pytest.mark.parametrize("cycles", CYCLES)
async def test_workers_that_join_and_leave_by_kill_9_under_backlog_lose_and_double_nothing(
    kafka: str, tmp_path: Path, cycles: int
) -> None:
    async with Laboratory(kafka, tmp_path) as lab:
        await join_and_leave(lab, cycles, ["kill -9"])

        (await lab.audit()).assert_sound()


@pytest.mark.parametrize("cycles", CYCLES)
async def test_two_topics_on_one_table_lose_and_double_nothing_while_workers_join_and_leave(
    kafka: str, tmp_path: Path, cycles: int
) -> None:
    async with Laboratory(kafka, tmp_path, topics=("lab.a", "lab.b")) as lab:
        await join_and_leave(lab, cycles, ["kill -9", "SIGTERM"])

        (await lab.audit()).assert_sound()
