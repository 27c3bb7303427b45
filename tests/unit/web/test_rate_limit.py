"""The token bucket of a caller (conventions §5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app.domain.rate_limit import RateLimit


def test_a_full_bucket_lasts_for_the_limit_and_fills_up_evenly() -> None:
    limit = RateLimit(6)
    assert [limit.take("a", 0.0) for _ in range(7)] == [0] * 6 + [10]
    assert limit.take("a", 4.5) == 6
    assert [limit.take("a", 10.0), limit.take("a", 10.0)] == [0, 10]
    assert [limit.take("a", 100.0) for _ in range(7)] == [0] * 6 + [10]


def test_callers_do_not_share_a_bucket() -> None:
    limit = RateLimit(1)
    assert [limit.take(caller, 0.0) for caller in ("a", "b", "a", "b")] == [0, 0, 60, 60]


@pytest.mark.parametrize("per_minute", [61, 1_000_000])
def test_the_wait_is_at_least_a_second(per_minute: int) -> None:
    limit = RateLimit(per_minute)
    limit._buckets["a"] = (0.5, 0.0)
    assert limit.take("a", 0.0) == 1


def test_the_caller_that_was_silent_longest_is_forgotten_first() -> None:
    limit = RateLimit(1, most_buckets=2)
    for caller in ("a", "b", "a", "c"):
        limit.take(caller, 0.0)

    assert list(limit._buckets) == ["a", "c"]


@given(st.integers(1, 100), st.lists(st.floats(0, 30), max_size=300))
def test_no_caller_gets_more_than_the_bucket_and_what_flows_in(per_minute: int, pauses: list[float]) -> None:
    limit, now, allowed = RateLimit(per_minute), 0.0, 0
    for pause in pauses:
        now += pause
        retry_after = limit.take("a", now)
        allowed += retry_after == 0
        assert retry_after == 0 or limit.take("a", now + retry_after + 1e-6) == 0
        now += retry_after + 1e-6 if retry_after else 0
        allowed += bool(retry_after)
        assert allowed <= per_minute * (1 + now / 60) + 1e-3
