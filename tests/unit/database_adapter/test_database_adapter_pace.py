"""Rates and percentiles of the adapter (database-adapter §8)."""

from bridge_app.domain.database_adapter.pace import Pace, Performance
from bridge_app.domain.dead_letter_limit import DeadLetterLimit


def test_percentiles_are_nearest_ranks_of_the_last_thousand() -> None:
    pace = Pace(0.0)
    assert pace.performance() == Performance(0.0, 0.0, 0.0)
    pace.took(9.0)
    for milliseconds in range(1, 1001):
        pace.took(milliseconds / 1000)
    assert pace.performance() == Performance(500.5, 950.0, 990.0)


def test_rate_is_that_of_the_last_minute() -> None:
    pace = Pace(100.0)
    pace.stored(100.5, 30)
    pace.stored(100.7, 30)
    assert pace.events_per_second(102.0) == 30.0
    assert pace.events_per_second(160.0) == 1.0
    assert pace.events_per_second(170.0) == 0.0
    assert pace.uptime_seconds(170.0) == 70.0


def test_free_dead_letters_are_not_judged() -> None:
    limit = DeadLetterLimit(lambda: 0.5, free=200)
    assert [limit.bad() for _ in range(201)] == [False] * 200 + [True]
    assert DeadLetterLimit(lambda: None, free=200).bad()
