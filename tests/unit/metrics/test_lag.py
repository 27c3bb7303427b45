"""Lag in records and seconds from what the broker says."""

from hypothesis import given
from hypothesis import strategies as st

from bridge_app.domain.lag import Lag, PartitionLag


def test_a_backlog_ages_from_when_its_first_record_was_seen() -> None:
    lag = PartitionLag()
    assert lag.look(100.0, committed=5, end=5) == Lag(0, 0.0)
    assert lag.look(105.0, committed=5, end=8) == Lag(3, 0.0)
    assert lag.look(110.0, committed=5, end=9) == Lag(4, 5.0)
    assert lag.look(115.0, committed=8, end=9) == Lag(1, 5.0)
    assert lag.look(120.0, committed=9, end=9) == Lag(0, 0.0)


def test_a_backlog_from_before_the_first_look_ages_from_then() -> None:
    lag = PartitionLag()
    assert lag.look(100.0, committed=0, end=1000) == Lag(1000, 0.0)
    assert lag.look(160.0, committed=10, end=1000) == Lag(990, 60.0)


def test_a_topic_made_anew_starts_over() -> None:
    lag = PartitionLag()
    lag.look(100.0, committed=0, end=50)
    assert lag.look(200.0, committed=50, end=3) == Lag(0, 0.0)
    assert lag.look(205.0, committed=0, end=3) == Lag(3, 5.0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40))
def test_the_age_is_that_of_the_look_that_first_saw_the_first_uncommitted_record(
    steps: list[tuple[int, int]],
) -> None:
    lag, seen_at = PartitionLag(), dict[int, float]()
    committed = end = 0
    for number, (sent, taken) in enumerate(steps):
        now = float(number)
        seen_at.update(dict.fromkeys(range(end, end + sent), now))
        end += sent
        committed = min(end, committed + taken)
        expected = Lag(end - committed, now - seen_at[committed] if committed < end else 0.0)
        assert lag.look(now, committed, end) == expected
