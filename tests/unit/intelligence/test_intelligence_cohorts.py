"""`startup_performance` (intelligence §4.2)."""

from typing import Any

import pytest

from bridge_app import ids
from bridge_app.domain.intelligence.cohort_state import Cohort
from bridge_app.timestamps import format_us
from tests.unit.intelligence.pipeline import ENVIRONMENT, SECOND, START_US, Pipeline, lifecycle, size


def cohorts(pipeline: Pipeline) -> list[dict[str, Any]]:
    return pipeline.patterns("startup_performance")


def run(*times: float, gap: float = 0.5, **config: Any) -> Pipeline:
    """Start one service after the other, `gap` seconds apart."""
    pipeline = Pipeline(**config)
    for number, time_ms in enumerate(times):
        if number:
            pipeline.wait(gap)
        pipeline.start(f"test-service-{number}", time_ms)
    return pipeline


def test_intelligence_02_three_similar_starts_are_a_pattern() -> None:
    pipeline = run(2000, 2100, 2200)
    (found,) = cohorts(pipeline)
    assert found["confidence_score"] == 0.8
    assert found["affected_services"] == ["test-service-0", "test-service-1", "test-service-2"]
    types = [event.event_type for event in pipeline.published]
    assert types.count("intelligence.performance.startup_measured") == 3
    assert types.count("intelligence.pattern.discovered") >= 3


def test_intelligence_03_five_starts_that_rise() -> None:
    last = cohorts(run(2000, 2200, 2400, 2600, 2800))[-1]
    evidence = last["pattern_data"]
    assert last["confidence_score"] == 0.8571
    assert last["affected_services_total"] == len(last["affected_services"]) == 5
    assert (last["revision"], last["occurrences"], last["status"], last["phase"]) == (3, 3, "active", None)
    assert evidence == {
        "window_seconds": 300,
        "services": 5,
        "median_ms": 2400,
        "p95_ms": 2800,
        "min_ms": 2000,
        "max_ms": 2800,
        "mad_ms": 200,
        "outliers": [],
        "steps": [],
        "trend": "rising",
        "trend_p": 0.0275,
    }


def test_intelligence_14_starts_that_differ_are_no_pattern() -> None:
    assert cohorts(run(100, 2000, 5000)) == []


def test_intelligence_14_an_outlier_stays_out_of_the_group() -> None:
    last = cohorts(run(1000, 1010, 990, 1005, 9000))[-1]
    assert last["confidence_score"] == 0.8333
    assert last["pattern_data"]["outliers"] == [{"service": "test-service-4", "startup_time_ms": 9000}]
    assert last["affected_services"] == [f"test-service-{number}" for number in range(4)]


def test_only_services_slower_than_the_group_are_worth_a_recommendation() -> None:
    last = cohorts(run(1000, 1000, 1000, 10, 9000))[-1]
    assert [outlier["startup_time_ms"] for outlier in last["pattern_data"]["outliers"]] == [10, 9000]
    (advice,) = last["recommendations"]
    assert (advice["type"], advice["priority"]) == ("investigate_slow_start", "medium")
    assert advice["description"].endswith(": test-service-4")


def test_intelligence_14_two_services_are_no_group_however_often_they_start() -> None:
    pipeline = Pipeline()
    for _ in range(10):
        pipeline.start("a", 1000)
        pipeline.start("b", 1000)
        pipeline.wait(1)
    assert cohorts(pipeline) == []


def test_the_pattern_is_named_after_the_start_that_made_it() -> None:
    pipeline = run(2000, 2100, 2200, 2300)
    cause = lifecycle("started", "test-service-2", n=2).event_id
    uuid = ids.pattern("startup_performance", ENVIRONMENT, f"cohort|{ENVIRONMENT}", cause)
    assert {pattern["pattern_id"] for pattern in cohorts(pipeline)} == {f"pattern_{uuid}"}


def test_falling_times_and_too_few_for_a_trend() -> None:
    assert cohorts(run(2800, 2600, 2400, 2200, 2000))[-1]["pattern_data"]["trend"] == "falling"
    evidence = cohorts(run(2000, 2100, 2200))[-1]["pattern_data"]
    assert (evidence["trend"], evidence["trend_p"]) == ("none", None)


def test_steps_are_compared_over_services() -> None:
    pipeline = Pipeline()
    for number in range(3):
        steps = [{"step": "db", "duration_ms": 1000 + number}, {"step": f"own-{number}", "duration_ms": 10}]
        pipeline.start(f"s{number}", 2000, steps=steps)
    steps = cohorts(pipeline)[-1]["pattern_data"]["steps"]
    assert steps[0] == {"step": "db", "median_ms": 1001, "services": 3}
    assert [step["services"] for step in steps] == [3, 1, 1, 1]


def test_fewer_than_half_of_all_services_are_no_group() -> None:
    pipeline = run(1000, 1000, 1000, 10_000, 100_000, 1_000_000)
    assert cohorts(pipeline)[-1]["status"] == "active"
    pipeline.start("one-more", 10_000_000)
    last = cohorts(pipeline)[-1]
    assert (last["status"], last["resolution"]["reason"]) == ("resolved", "dispersed")


def test_the_latest_start_of_a_service_counts() -> None:
    pipeline = run(1000, 1000, 9000)
    assert cohorts(pipeline) == []
    pipeline.wait(1)
    pipeline.start("test-service-2", 1100)
    (found,) = cohorts(pipeline)
    assert (found["pattern_data"]["services"], found["pattern_data"]["max_ms"]) == (3, 1100)


def test_the_pattern_resolves_when_the_window_holds_no_group_any_more() -> None:
    pipeline = run(2000, 2100, 2200, 2300, gap=10)
    before = cohorts(pipeline)
    pipeline.wait(300 - 20 - 0.5)  # service 0 has left, three are a group
    assert cohorts(pipeline) == before
    (resolved,) = [event for event in pipeline.wait(1) if event.event_type == "intelligence.pattern.resolved"]
    info = resolved.payload["pattern_info"]
    assert (info["status"], info["revision"], info["confidence_score"]) == ("resolved", 3, 0.8333)
    assert info["resolution"] == {"reason": "window_passed", "duration_seconds": 290.0}
    assert info["last_seen"] == format_us(START_US + 30 * SECOND)
    assert resolved.time_us == START_US + 310 * SECOND
    assert pipeline.wait(1000) == []


def test_a_new_group_is_a_new_pattern() -> None:
    pipeline = run(2000, 2100, 2200)
    pipeline.wait(400)
    for number in range(3):
        pipeline.start(f"later-{number}", 2000)
    assert len({pattern["pattern_id"] for pattern in cohorts(pipeline)}) == 2


def test_the_old_pattern_resolves_before_a_new_one_begins_though_ticks_are_late() -> None:
    pipeline = run(2000, 2100, 2200)
    pipeline.wait(400, tick=False)
    for number in range(3):
        pipeline.start(f"later-{number}", 2000)
    assert [(pattern["status"], pattern["revision"]) for pattern in cohorts(pipeline)] == [
        ("active", 1),
        ("resolved", 2),
        ("active", 1),
    ]
    (resolved,) = [event for event in pipeline.published if event.event_type == "intelligence.pattern.resolved"]
    assert resolved.payload["pattern_info"]["resolution"]["reason"] == "window_passed"
    assert resolved.time_us == START_US + 300 * SECOND


def test_above_ten_services_revisions_are_ten_seconds_apart() -> None:
    pipeline = run(*[2000] * 10, gap=0.1)
    assert len(cohorts(pipeline)) == 8
    last_us = pipeline.now_us
    for number in range(40):
        pipeline.wait(0.5)
        pipeline.start(f"more-{number}", 2000, correlation_id=str(number))
    deferred = [event for event in pipeline.published if "cohort" in str(event.payload)][8:]
    assert [event.time_us - last_us for event in deferred] == [10 * SECOND, 20 * SECOND]
    # The start at exactly 10 s comes after the deadline: its group is in the next revision.
    assert [event.payload["pattern_info"]["affected_services_total"] for event in deferred] == [29, 49]
    assert [event.correlation_id for event in deferred] == ["18", "38"]
    pipeline.wait(10)
    assert cohorts(pipeline)[-1]["affected_services_total"] == 50


def test_a_start_older_than_the_window_changes_nothing() -> None:
    pipeline = run(2000, 2100)
    pipeline.start("old", 2000, time_us=START_US - 301 * SECOND)
    assert cohorts(pipeline) == []
    pipeline.start("late", 2000, time_us=START_US - 299 * SECOND)
    assert len(cohorts(pipeline)) == 1


def test_a_threshold_that_the_group_does_not_reach() -> None:
    assert cohorts(run(2000, 2100, 2200, confidence_threshold=0.81)) == []
    assert len(cohorts(run(2000, 2100, 2200, 2300, confidence_threshold=0.81))) == 1


@pytest.mark.parametrize("config", [{"cohort_window_seconds": 1}, {"confidence_threshold": 0.99}])
def test_an_open_pattern_resolves_under_settings_that_would_not_have_opened_it(config: dict[str, Any]) -> None:
    pipeline = run(2000, 2100, 2200)
    stricter = Pipeline(**config)
    stricter.states, stricter.now_us = pipeline.states, pipeline.now_us
    stricter.wait(1000)
    (last,) = cohorts(stricter)
    assert (last["status"], last["affected_services_total"]) == ("resolved", 3)


def test_another_window_is_in_force_from_the_next_start_on() -> None:
    pipeline = run(2000, 2100, 2200, 2300, gap=10)
    stricter = Pipeline(cohort_window_seconds=15)
    stricter.states, stricter.now_us, stricter._numbers = pipeline.states, pipeline.now_us, pipeline._numbers
    stricter.wait(100)
    assert cohorts(stricter) == []
    stricter.start("test-service-9", 2400)
    (resolved,) = cohorts(stricter)
    assert (resolved["status"], resolved["affected_services_total"]) == ("resolved", 4)
    assert (resolved["resolution"]["reason"], resolved["pattern_data"]["window_seconds"]) == ("dispersed", 300)
    stricter.start("test-service-8", 2400)
    stricter.start("test-service-7", 2400)
    assert cohorts(stricter)[-1]["pattern_data"]["window_seconds"] == 15


def test_the_state_stays_under_64_kib() -> None:
    pipeline = Pipeline()
    wide = "\N{SNAIL}"
    steps = [{"step": f"{number}{wide * 4000}", "duration_ms": number} for number in range(9)]
    for number in range(150):
        pipeline.start(f"{number:03d}{wide * 97}", 2000, steps=steps)
        assert size(pipeline.states[f"cohort|{ENVIRONMENT}"]) <= 64 * 1024
    for number in range(150):
        pipeline.start(f"plain-{number}", 2000)
    state = pipeline.states[f"cohort|{ENVIRONMENT}"]
    assert isinstance(state, Cohort)
    assert len(state.starts) == 128
    assert len(cohorts(pipeline)[-1]["affected_services"]) <= 100


def test_a_producer_whose_clock_is_fast_does_not_move_the_time_of_the_others() -> None:
    pipeline = run(500, 500, 500, cohort_window_seconds=15)
    pipeline.wait(1)
    pipeline.start("fast-clock", 500, time_us=pipeline.now_us + 290 * SECOND)
    assert cohorts(pipeline)[-1]["status"] == "active"

    pipeline.wait(60)
    for number in range(3):
        pipeline.start(f"later-{number}", 700)
    assert cohorts(pipeline)[-1]["affected_services"] == [f"later-{number}" for number in range(3)]
