"""The formulas, against values worked out by hand or by the texts they are from."""

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app.domain.intelligence.grouping import TimedStart, find_group, latest_per_service
from bridge_app.domain.intelligence.measures import (
    agrees,
    confidence,
    median_deviation,
    nearest_rank,
    succession,
    trend,
)

times = st.integers(0, 10_000) | st.floats(0, 1e12)


@pytest.mark.parametrize(("agreed", "of", "expected"), [(1, 1, 0.6667), (5, 5, 0.8571), (0, 0, 0.5), (500, 500, 0.99)])
def test_rule_of_succession(agreed: int, of: int, expected: float) -> None:
    assert succession(agreed, of) == expected


@given(st.floats(allow_nan=False))
def test_confidence_is_in_its_range(chance: float) -> None:
    assert 0 <= confidence(chance) <= 0.99


@pytest.mark.parametrize(
    ("percent", "expected"), [(5, 15), (30, 20), (40, 20), (50, 35), (100, 50)]
)  # fmt: skip
def test_nearest_rank(percent: float, expected: int) -> None:
    assert nearest_rank([35, 20, 15, 50, 40], percent) == expected


def test_median_deviation() -> None:
    assert median_deviation([1, 1, 2, 2, 4, 6, 9]) == 1


@pytest.mark.parametrize(
    ("values", "direction", "p"),
    [
        ([2000, 2200, 2400, 2600, 2800], "rising", 0.0275),  # S 10, var 50/3: z 2.2045
        ([5, 4, 3, 2, 1], "falling", 0.0275),
        ([1, 2, 3, 4], "none", 0.0894),  # S 6, var 26/3: z 1.6984
        ([1, 1, 1, 1, 1], "none", 1.0),
        ([1, 1, 2, 2, 3, 3], "rising", 0.0289),  # S 12, var (510 - 3·18)/18: z 2.1855
        ([1, 2, 3], "none", None),
    ],
)
def test_mann_kendall(values: list[float], direction: str, p: float | None) -> None:
    assert trend(values) == (direction, p)


def starts(*found: float) -> list[TimedStart]:
    return [TimedStart(number, f"s{number}", time_ms, ()) for number, time_ms in enumerate(found)]


@pytest.mark.parametrize(
    ("found", "members"),
    [
        ((1000, 1010, 990, 1005, 9000), (1000, 1010, 990, 1005)),
        ((100, 2000, 5000), None),
        ((1000, 1000), None),
        # Two sets of three, around 19 and around 1000: of these the latter is nearer to the median of all, 514.
        ((10, 19, 28, 1000, 1050, 1060), (1000, 1050, 1060)),
        # Around 12 and 1000, which are equally near: the smaller.
        ((10, 11, 12, 1000, 1050, 1060), (10, 11, 12)),
        ((10, 11, 12, 1000, 1050, 1060, 1e6), None),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_the_group(found: tuple[float, ...], members: tuple[float, ...] | None) -> None:
    group = find_group(starts(*found))
    assert (tuple(start.startup_time_ms for start in group.members) if group else None) == members


@given(st.lists(times, max_size=30))
def test_the_group_is_the_largest_there_is(found: list[float]) -> None:
    best = max((sum(agrees(time, center) for time in found) for center in found), default=0)
    group = find_group(starts(*found))
    if best >= 3 and 2 * best >= len(found):
        assert group is not None
        assert len(group.members) == best
        assert len(group.members) + len(group.others) == len(found)
        nearest = [abs(center - median(found)) for center in found if sum(agrees(t, center) for t in found) == best]
        centers = [center for center in found if all(agrees(one.startup_time_ms, center) for one in group.members)]
        assert min(abs(center - median(found)) for center in centers) == min(nearest)
    else:
        assert group is None


def test_of_a_service_that_started_twice_the_later_start_counts() -> None:
    one, two, other = TimedStart(5, "a", 1, ()), TimedStart(9, "a", 2, ()), TimedStart(7, "b", 3, ())
    assert latest_per_service([two, one, other], 4) == [other, two]
    assert latest_per_service([two, one, other], 7) == [two]
