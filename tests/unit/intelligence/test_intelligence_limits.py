"""A silent series is dropped, and so is one too many: what is said then, and what remains (intelligence §1)."""

from typing import Any

import pytest

from bridge_app.events.intelligence import SUMMARY
from tests.unit.intelligence.pipeline import START_US, Pipeline, size

HOUR = 3600
DAY = 24 * HOUR
TTL = 168 * HOUR
#: As long as a pattern is kept in Postgres by default, and two days for its deletion.
REMAINS = 92 * DAY


def live(pipeline: Pipeline) -> list[str]:
    """Return the keys that are kept, without what remains of others."""
    return sorted(
        key for key, state in pipeline.states.items() if pipeline.detectors.series_updated_us(state) is not None
    )


def test_a_series_that_is_silent_so_long_is_dropped_and_not_before() -> None:
    pipeline = Pipeline()
    for time_ms in (150, 160, 170):
        pipeline.execute("t", time_ms)
    pipeline.wait(TTL - 1)
    assert (live(pipeline), pipeline.buried) == (["exec|t|"], [])
    pipeline.wait(1)
    assert (pipeline.states, pipeline.buried) == ({}, ["exec|t|"])
    assert pipeline.execute("t", 2500) == []  # three usual values are forgotten


def test_it_is_dropped_before_an_event_that_comes_later_than_that_whenever_the_tick_is() -> None:
    pipeline = Pipeline()
    for time_ms in (150, 160, 170):
        pipeline.execute("t", time_ms)
    pipeline.wait(TTL, tick=False)
    assert pipeline.execute("t", 2500) == []
    assert pipeline.buried == ["exec|t|"]


def test_any_observation_puts_it_off() -> None:
    pipeline = Pipeline()
    pipeline.start("shop", 1000)
    pipeline.wait(TTL - 1)
    pipeline.report("health_changed", "shop", payload={"health_transition": {"current_status": "degraded"}})
    pipeline.wait(TTL - 1)
    assert "start|shop" in live(pipeline)
    pipeline.wait(1)
    assert live(pipeline) == []


@pytest.mark.parametrize("kind", ["proxy", "exec"])
def test_an_open_anomaly_and_open_failures_end_with_their_series(kind: str) -> None:
    pipeline = Pipeline()
    report: Any = (lambda *a, **b: pipeline.call("t", "s", *a, **b)) if kind == "proxy" else (
        lambda ms, failed=False: pipeline.execute("t", ms, executor="s", outcome="failure" if failed else "success")
    )  # fmt: skip
    for time_ms in (150, 160, 170, 2500):
        report(time_ms)
    for _ in range(20):
        report(100, failed=True)
    pipeline.wait(5, tick=False)
    ended = pipeline.drop(f"{kind}|t|s")
    assert [event.event_type for event in ended] == [
        "intelligence.pattern.resolved", "intelligence.performance.recovered", "intelligence.pattern.resolved",
    ]  # fmt: skip
    for event in (ended[0], ended[2]):
        assert event.payload["pattern_info"]["resolution"]["reason"] == "forgotten"
        assert event.time_us == pipeline.now_us
    assert pipeline.told[-1].event_type == SUMMARY
    assert (pipeline.told[-1].payload["count"], pipeline.told[-1].payload["failures"]) == (24, 20)
    assert (pipeline.states, pipeline.buried) == ({}, [f"{kind}|t|s"])


def test_starts_that_wait_are_confirmed_when_their_series_is_dropped() -> None:
    pipeline = Pipeline()
    for _ in range(5):
        pipeline.start("shop", 1000)
    pipeline.drop("start|shop")
    phases = [info["phase"] for info in pipeline.patterns("service_initialization")]
    assert phases == ["observed"] * 5 + ["confirmed"] * 5
    loop = pipeline.patterns("failure_pattern")[-1]
    assert (loop["status"], loop["resolution"]["reason"]) == ("resolved", "forgotten")


def test_revisions_go_on_where_they_were_when_a_service_starts_again() -> None:
    pipeline = Pipeline()
    pipeline.start("shop", 1000)
    pipeline.wait(TTL + 10)
    assert (live(pipeline), size(pipeline.states["start|shop"]) < 100) == ([], True)
    pipeline.start("shop", 9000)
    first, *_, last = pipeline.patterns("service_initialization")
    assert (first["revision"], last["revision"]) == (1, 3)
    assert (first["pattern_id"], first["discovery_time"]) == (last["pattern_id"], last["discovery_time"])
    assert (last["confidence_score"], last["pattern_data"]["starts_seen"]) == (0.6667, 1)


def test_revisions_go_on_for_links_and_sequences() -> None:
    pipeline = Pipeline()
    for _ in range(2):
        for number in range(10):
            pipeline.execute("a", 100, session=f"s-{number}", requester="x", executor="y")
            pipeline.execute("b", 100, session=f"s-{number}")
        pipeline.wait(TTL)
        assert live(pipeline) == []
        assert sorted(pipeline.states) == ["link|x|y", "next|a"]
    assert [(one["revision"], one["occurrences"]) for one in pipeline.patterns("service_communication")] == [
        (1, 5), (2, 10), (3, 5), (4, 10),
    ]  # fmt: skip
    assert [(one["revision"], one["occurrences"]) for one in pipeline.patterns("tool_sequence")] == [(1, 10), (2, 10)]
    assert len({one["discovery_time"] for one in pipeline.patterns("tool_sequence")}) == 1


def test_what_remains_goes_when_postgres_has_forgotten_the_pattern() -> None:
    pipeline = Pipeline()
    pipeline.start("shop", 1000)
    pipeline.wait(REMAINS - 1)
    assert list(pipeline.states) == ["start|shop"]
    pipeline.wait(1)
    assert pipeline.states == {}


def test_what_was_never_published_leaves_nothing() -> None:
    pipeline = Pipeline()
    pipeline.execute("a", 100, session="s", requester="x", executor="y")
    pipeline.execute("b", 100, session="s")
    pipeline.wait(TTL)
    assert pipeline.states == {}


def test_an_open_group_ends_with_its_environment() -> None:
    pipeline = Pipeline()
    for service in ("a", "b", "c"):
        pipeline.start(service, 2000)
    (key,) = (key for key in pipeline.states if key.startswith("cohort|"))
    (ended,) = pipeline.drop(key)
    assert ended.payload["pattern_info"]["resolution"]["reason"] == "forgotten"
    assert key not in pipeline.states


def test_what_remains_is_no_series_and_as_old_as_that_was() -> None:
    pipeline = Pipeline()
    pipeline.start("shop", 1000)
    pipeline.wait(TTL + 10)
    state = pipeline.states["start|shop"]
    assert pipeline.detectors.series_updated_us(state) is None
    assert pipeline.detectors.remains_updated_us(state) == START_US


def test_a_state_of_a_release_without_these_limits_is_not_dropped_before_it_is_updated() -> None:
    pipeline = Pipeline()
    pipeline.execute("t", 100)
    state: Any = pipeline.states["exec|t|"]
    old = type(state)(state.tool, state.executor, type(state.seen)(state.seen.offsets, state.seen.ids))
    assert pipeline.detectors.due(old) is None
    assert pipeline.detectors.series_updated_us(old) == 0
