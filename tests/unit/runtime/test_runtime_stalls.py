"""The judgement of the watchdog: lag without progress, for too long, while the broker answers (resilience §9)."""

import asyncio
import threading
import time

import pytest
from faust.types import TP

from bridge_app.runtime.loop_watch import LoopLimits, LoopWatch
from bridge_app.runtime.stalls import Offsets, Owned, StallWatch

ONE = Owned("g", TP("t", 0))
TWO = Owned("g", TP("t", 1))


def test_a_partition_that_stands_still_with_lag_is_told_after_the_limit() -> None:
    watch = StallWatch(60)
    assert watch.look({ONE: Offsets(5, 9)}, 0) == []
    assert watch.look({ONE: Offsets(5, 20)}, 59) == []
    (stall,) = watch.look({ONE: Offsets(5, 30)}, 60)
    assert stall == (ONE, Offsets(5, 30), 60, 9)
    assert [offset for offset in range(4, 31) if stall.covers(offset)] == [5, 6, 7, 8]


def test_an_empty_partition_does_not_stand_still() -> None:
    watch = StallWatch(60)
    assert watch.look({ONE: Offsets(-1, 0), TWO: Offsets(3, 3)}, 0) == []
    assert watch.look({ONE: Offsets(-1, 1), TWO: Offsets(3, 4)}, 70) == []
    assert [stall.owned for stall in watch.look({ONE: Offsets(-1, 1), TWO: Offsets(3, 4)}, 130)] == [ONE, TWO]


def test_progress_and_the_end_of_lag_start_the_time_anew() -> None:
    watch = StallWatch(60)
    for now, offsets in ((0, Offsets(5, 9)), (50, Offsets(6, 9)), (70, Offsets(9, 9)), (80, Offsets(9, 10))):
        assert watch.look({ONE: offsets}, now) == []
    assert watch.look({ONE: Offsets(9, 10)}, 139) == []
    assert len(watch.look({ONE: Offsets(9, 10)}, 140)) == 1


def test_each_partition_has_its_own_time_and_one_that_waits_none() -> None:
    watch = StallWatch(60)
    watch.look({ONE: Offsets(0, 1), TWO: Offsets(-1, 1)}, 0)
    watch.look({TWO: Offsets(-1, 1)}, 50)
    (stall,) = watch.look({ONE: Offsets(0, 1), TWO: Offsets(-1, 1)}, 70)
    assert stall.owned == TWO


def test_what_stands_still_while_the_broker_is_away_is_nobody_s_fault() -> None:
    watch = StallWatch(60)
    watch.look({ONE: Offsets(0, 1)}, 0)
    watch.start_anew()
    assert watch.look({ONE: Offsets(0, 1)}, 100) == []


def test_a_harmless_stall_starts_anew() -> None:
    watch = StallWatch(60)
    watch.look({ONE: Offsets(0, 1)}, 0)
    assert watch.look({ONE: Offsets(0, 1)}, 60)
    watch.forgive([ONE])
    assert watch.look({ONE: Offsets(0, 1)}, 70) == []


@pytest.mark.parametrize(("blocked", "ended"), [(0.2, []), (3.0, [71])])
async def test_a_loop_that_is_blocked_for_too_long_ends_the_process(blocked: float, ended: list[int]) -> None:
    codes: list[int] = []
    done = threading.Event()

    def end(code: int) -> None:
        codes.append(code)
        done.set()

    watch = LoopWatch(asyncio.get_running_loop(), LoopLimits(slow=0.5, dead=1.0), end=end)
    watch.start()
    time.sleep(blocked)  # noqa: ASYNC251 # the blocked loop is what is tested
    await asyncio.sleep(0)
    watch.close()
    await asyncio.to_thread(watch.join)
    assert codes == ended
