"""The fence is down for another generation, and for good once the process was frozen."""

import pytest

from bridge_app.errors import Fenced
from bridge_app.runtime.fence import Fence

SESSION = 6.0


class World:
    """What the fence looks at."""

    def __init__(self) -> None:
        self.now = 0.0
        self.generation = 1
        self.fence = Fence(session_timeout=SESSION, monotonic=lambda: self.now, generation=lambda: self.generation)
        self.fence.beat()


def test_a_batch_of_the_present_generation_may_be_written() -> None:
    world = World()
    world.fence.check(1)
    assert not world.fence.is_down


@pytest.mark.parametrize("generation", [0, 2])
def test_a_batch_of_another_generation_may_not(generation: int) -> None:
    with pytest.raises(Fenced, match="moved on"):
        World().fence.check(generation)


def test_a_pause_of_half_a_session_is_tolerated_and_a_longer_one_is_not() -> None:
    world = World()
    world.now = SESSION / 2
    world.fence.check(1)
    world.now += SESSION / 2 + 0.1
    with pytest.raises(Fenced, match=r"frozen for 3\.1 s"):
        world.fence.check(1)


def test_a_start_that_takes_longer_than_half_a_session_is_no_freeze() -> None:
    now = [0.0]
    fence = Fence(session_timeout=SESSION, monotonic=lambda: now[0], generation=lambda: 1)
    now[0] = 10 * SESSION
    fence.check(1)
    now[0] += SESSION / 2 + 0.1
    with pytest.raises(Fenced):
        fence.check(1)


def test_a_fence_that_went_down_stays_down() -> None:
    world = World()
    world.now = SESSION
    world.fence.beat()
    world.now += 0.1
    world.fence.beat()
    assert world.fence.is_down
    with pytest.raises(Fenced):
        world.fence.check(1)


def test_records_are_sent_as_long_as_a_confirmed_heartbeat_is_good() -> None:
    world = World()
    assert not world.fence.holds_back(), "before the first join there is nothing to lose"
    world.fence.confirm_membership(asked_at=10.0)
    world.now = 10.0 + 0.8 * SESSION
    assert not world.fence.holds_back()
    world.now += 0.1
    assert world.fence.holds_back()
    world.fence.confirm_membership(asked_at=world.now)
    assert not world.fence.holds_back()


def test_records_of_a_worker_that_the_group_has_forgotten_are_never_sent_until_it_has_joined_again() -> None:
    world = World()
    world.fence.confirm_membership(asked_at=0.0)
    world.fence.expel()
    with pytest.raises(Fenced, match="forgotten"):
        world.fence.holds_back()
    world.fence.confirm_membership(asked_at=1.0)
    assert not world.fence.holds_back()
