"""The first word on a hook (hooks §6)."""

import pytest

from bridge_app.domain.intelligence.baselines import BaselineView
from bridge_app.domain.intelligence.immediate import Views, analyse
from bridge_app.domain.intelligence.patterns import PatternView
from tests.unit.intelligence.pipeline import Pipeline, execution, lifecycle

NOTHING_KNOWN = Views(PatternView(), BaselineView())


def test_the_first_start_has_the_id_and_the_confidence_that_will_be_published() -> None:
    pipeline = Pipeline()
    found = analyse(lifecycle("started", "svc", startup_time_ms=2500), NOTHING_KNOWN)
    published, _ = pipeline.start("svc", 2500)
    info = published.payload["pattern_info"]
    assert found == {
        "patterns_discovered": [
            {
                "pattern_type": "service_initialization",
                "confidence": 0.6667,
                "description": info["description"],
                "pattern_id": info["pattern_id"],
            }
        ],
        "recommendations": [],
    }


@pytest.mark.parametrize(
    "times", [[1000] * 25, [1000, None, 1200, 900, None], [1000, 1100, 9000], [1000, 1000, 1000, 1000, 5000, 1000]]
)
def test_later_starts_have_the_confidence_that_will_be_published(times: list[float | None]) -> None:
    pipeline, view = Pipeline(), PatternView()
    for time_ms in times:
        event = lifecycle("started", "svc", startup_time_ms=time_ms)
        (found,) = analyse(event, Views(view, BaselineView()))["patterns_discovered"]
        for published in pipeline.start("svc", time_ms):
            view.apply(published)
        assert found["confidence"] == pipeline.patterns("service_initialization")[-1]["confidence_score"]


def test_recommendations_name_what_is_slow_and_what_failed() -> None:
    steps = [
        {"step": "database", "duration_ms": 2000},
        {"step": "cache", "duration_ms": 10, "status": "failed"},
    ]
    found = analyse(lifecycle("started", "svc", startup_time_ms=2500, steps=steps), NOTHING_KNOWN)["recommendations"]
    assert found == [
        {
            "type": "repair_initialization_step",
            "description": "Repair the failed initialization steps: cache",
            "priority": "high",
        },
        {
            "type": "optimize_initialization_step",
            "description": "Shorten the slowest step: database takes 2000 ms, 80% of the start",
            "priority": "medium",
        },
    ]


@pytest.mark.parametrize("change", ["stopped", "health_changed", "other"])
def test_other_hooks_have_nothing(change: str) -> None:
    assert analyse(lifecycle(change, "svc"), NOTHING_KNOWN) == {
        "patterns_discovered": [],
        "recommendations": [],
    }


def learned(pipeline: Pipeline) -> Views:
    """Return the views of a worker that has read all the pipeline has told."""
    pipeline.wait(2)
    views = Views(PatternView(), BaselineView())
    for event in pipeline.told:
        views.baselines.apply(event)
    return views


def test_an_execution_at_the_limit_of_its_series_is_an_anomaly_at_once() -> None:
    pipeline = Pipeline()
    for time_ms in (150, 160, 170):
        pipeline.execute("t", time_ms)
    views = learned(pipeline)
    (found,) = analyse(execution("t", 2500), views)["patterns_discovered"]
    assert (found["pattern_type"], found["confidence"], found["pattern_id"]) == ("performance_anomaly", 0.9616, None)
    assert analyse(execution("t", 479), views)["patterns_discovered"] == []
    assert analyse(execution("other", 2500), views)["patterns_discovered"] == []
    assert analyse(execution("t", 2500, outcome="failure"), views)["patterns_discovered"] == []


def test_a_start_that_is_slow_for_its_service_is_an_anomaly_at_once() -> None:
    pipeline = Pipeline()
    for _ in range(3):
        pipeline.start("s", 1000)
    found = analyse(lifecycle("started", "s", startup_time_ms=9000), learned(pipeline))["patterns_discovered"]
    assert [one["pattern_type"] for one in found] == ["service_initialization", "performance_anomaly"]
