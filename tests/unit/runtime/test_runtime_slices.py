"""Background work comes in slices, at most one in each turn of the event loop."""

import asyncio
from pathlib import Path

import pytest

from bridge_app.runtime.slices import HURRIED_SLICE_SECONDS, SLICE_SECONDS, Slices
from tests.unit.runtime.step_rig import GENERATION, TURNS, Rig, put


class LoopTurns:
    """Counts the turns of the event loop."""

    def __init__(self) -> None:
        self.count = 0
        self._count()

    def _count(self) -> None:
        self.count += 1
        asyncio.get_running_loop().call_soon(self._count)


class SlowClock:
    """Every look at it takes a third of a slice."""

    def __init__(self, slice_seconds: float = SLICE_SECONDS) -> None:
        self._now = 0.0
        self._look = slice_seconds / 3

    def now_us(self) -> int:
        return 0

    def monotonic(self) -> float:
        self._now += self._look
        return self._now


async def test_the_first_turn_is_there_at_once_and_the_next_in_a_later_turn_of_the_loop() -> None:
    slices, loop = Slices(), LoopTurns()
    had: list[int] = []
    for _ in range(4):
        await slices.turn()
        had.append(loop.count)
    assert had[0] == 1
    assert sorted(set(had)) == had


async def test_turns_come_in_the_order_they_were_asked_for() -> None:
    slices, loop = Slices(), LoopTurns()
    had: list[tuple[str, int]] = []

    async def work(name: str) -> None:
        for _ in range(2):
            await slices.turn()
            had.append((name, loop.count))

    await asyncio.gather(work("a"), work("b"), work("c"))
    # The first one asks for its second turn before the others are there.
    assert [name for name, _ in had] == ["a", "a", "b", "c", "b", "c"]
    assert len({at for _, at in had}) == 6


async def test_who_was_cancelled_holds_nobody_up() -> None:
    slices = Slices()
    await slices.turn()
    given_up, patient = asyncio.create_task(slices.turn()), asyncio.create_task(slices.turn())
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait_for(patient, 1)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path)
    rig.app.clock = SlowClock()
    return rig


async def loop_turns_of_a_step(rig: Rig, records: int) -> int:
    """Return in how many turns of the loop a step of so many records is decided."""
    loop = LoopTurns()
    step = rig.step([put(offset, f"k{offset}") for offset in range(records)])
    for _ in range(TURNS):
        if rig.broker.sent:
            break
        await asyncio.sleep(0)
    decided_in = loop.count
    await rig.finish(step)
    assert [rig.state(f"k{offset}") for offset in range(records)] == [(1, 1)] * records
    assert rig.agent.counts.applied == records
    return decided_in


async def test_a_long_step_lets_others_in_between_its_slices(rig: Rig) -> None:
    rig.app.lanes[0].open(GENERATION)
    assert await loop_turns_of_a_step(rig, 30) > 10


async def test_a_step_is_not_interrupted_while_partitions_are_given_away(rig: Rig) -> None:
    rig.app.lanes[0].close()
    assert await loop_turns_of_a_step(rig, 30) < 10


async def test_a_long_step_shows_that_the_process_runs_while_partitions_are_given_away(rig: Rig) -> None:
    rig.app.clock = SlowClock(HURRIED_SLICE_SECONDS)
    rig.app.lanes[0].close()
    assert await loop_turns_of_a_step(rig, 30) > 10
