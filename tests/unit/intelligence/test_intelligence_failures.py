"""When calls fail more often than before (intelligence §3.3, Acceptance 13)."""

from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app.domain.intelligence.failures import Alarm, Outcomes, alarm, is_over, severity, take
from bridge_app.domain.intelligence.measures import fisher_greater, superiority, wilson_lower

THRESHOLD = 0.7


def first_alarm(outcomes: Iterable[bool]) -> tuple[int, Alarm] | None:
    """Return at which failure the alarm is raised, and the alarm."""
    state, failures = Outcomes(), 0
    for failed in outcomes:
        state = take(state, failed, frozen=False)
        failures += failed
        if failed and (found := alarm(state, THRESHOLD)):
            return failures, found
    return None


def test_intelligence_13_five_failures_after_a_hundred_successes() -> None:
    assert first_alarm([False] * 100 + [True] * 4) is None
    found = first_alarm([False] * 100 + [True] * 5)
    assert found is not None
    assert (found[0], found[1].method) == (5, "fisher_exact")
    assert found[1].rate == 0.25
    assert found[1].confidence > 0.98


def test_intelligence_13_a_new_tool_that_only_fails() -> None:
    assert first_alarm([True] * 8) is None
    found = first_alarm([True] * 9)
    assert found is not None
    assert found[1] == Alarm("wilson_bound", 0.7008, 1.0, 0.0)


def test_failures_as_frequent_as_ever_are_no_alarm() -> None:
    assert first_alarm([number % 4 == 0 for number in range(2000)]) is None


def test_an_open_alarm_keeps_the_base_and_ends_near_its_rate() -> None:
    state = Outcomes()
    for failed in [False] * 100 + [True] * 20:
        state = take(state, failed, frozen=sum(state.recent) >= 5)
    assert state.base_failures == 0
    assert not is_over(state)
    for _ in range(19):
        state = take(state, False, frozen=True)
    assert is_over(state)


def test_the_past_counts_less_the_longer_ago() -> None:
    state = Outcomes(recent=(True,) * 20, base=1000, base_failures=500)
    assert take(state, False, frozen=False) == Outcomes((True,) * 19 + (False,), 500, 250)


@pytest.mark.parametrize(("rate", "expected"), [(0.2, "medium"), (0.25, "high"), (0.49, "high"), (0.5, "critical")])
def test_severity_follows_the_rate(rate: float, expected: str) -> None:
    assert severity(rate) == expected


def test_the_tests_agree_with_their_tables() -> None:
    # Fisher's lady tasting tea: 4 of 4, and 3 of 4.
    assert fisher_greater(4, 4, 0, 4) == pytest.approx(1 / 70)
    assert fisher_greater(3, 4, 1, 4) == pytest.approx(17 / 70)
    assert wilson_lower(9, 9) == pytest.approx(9 / 12.8416)
    assert superiority([3, 4], [1, 3]) == pytest.approx((1 + 0.5 + 1 + 1) / 4)


@given(st.lists(st.booleans(), max_size=3000), st.booleans())
def test_counts_are_bounded(outcomes: list[bool], frozen: bool) -> None:
    state = Outcomes()
    for failed in outcomes:
        state = take(state, failed, frozen=frozen)
    assert len(state.recent) <= 20
    assert 0 <= state.base_failures <= state.base <= 1000


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_calls_that_fail_as_often_as_ever_are_quiet(share: float) -> None:
    """As for values (Acceptance 22): fewer than 0.5 episodes per 1000 outcomes."""
    source, series, length, episodes = Random(2022), 150, 1000, 0
    for _ in range(series):
        outcomes, is_open = Outcomes(), False
        for _ in range(length):
            failed = source.random() < share
            outcomes = take(outcomes, failed, frozen=is_open)
            if is_open:
                is_open = not is_over(outcomes)
            elif failed and alarm(outcomes, THRESHOLD):
                is_open, episodes = True, episodes + 1
    assert episodes < 0.5 * series * length / 1000
