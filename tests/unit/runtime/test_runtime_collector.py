"""The garbage collector keeps out of the way of a step, and still finds cycles."""

import gc
from collections.abc import Iterator

import pytest

from bridge_app.runtime import collector

STEP_OBJECTS = 20_000


@pytest.fixture
def searches() -> Iterator[list[int]]:
    """The searches of the collector, by generation, as they happen."""
    found: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            found.append(info["generation"])

    before = gc.get_threshold()
    gc.callbacks.append(note)
    yield found
    gc.callbacks.remove(note)
    gc.set_threshold(*before)
    gc.unfreeze()


def test_runtime_collector_does_not_search_within_a_step(searches: list[int]) -> None:
    collector.suit_batches()
    searches.clear()

    alive = [[n] for n in range(STEP_OBJECTS)]

    assert len(alive) == STEP_OBJECTS
    assert searches == []


def test_runtime_collector_still_finds_cycles(searches: list[int]) -> None:
    collector.suit_batches()
    searches.clear()

    for _ in range(collector.YOUNG_OBJECTS + 1):
        cycle: list[object] = []
        cycle.append(cycle)

    assert searches
