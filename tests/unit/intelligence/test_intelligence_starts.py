"""`service_initialization` and `startup_measured` (intelligence §4.1)."""

from typing import Any
from uuid import UUID, uuid5

import pytest

from bridge_app import ids
from bridge_app.domain.intelligence.start_state import ServiceStarts
from bridge_app.timestamps import format_us
from tests.unit.intelligence.pipeline import ENVIRONMENT, SECOND, START_US, Pipeline, size

STEPS = [{"step": "config", "duration_ms": 700}, {"step": "database", "duration_ms": 1800, "status": "success"}]


def initializations(pipeline: Pipeline) -> list[dict[str, Any]]:
    return pipeline.patterns("service_initialization")


def test_intelligence_01_one_start_is_published_at_once_and_confirmed_8_s_later() -> None:
    pipeline = Pipeline()
    pipeline.start("svc", 2500, steps=STEPS)
    (at_once,) = initializations(pipeline)
    pipeline.wait(7.999_999)
    assert len(initializations(pipeline)) == 1
    (later,) = pipeline.wait(1.5)
    info = later.payload["pattern_info"]
    assert (at_once["confidence_score"], info["confidence_score"]) == (0.6667, 0.6667)
    assert (at_once["phase"], at_once["revision"]) == ("observed", 1)
    assert (info["phase"], info["revision"]) == ("confirmed", 2)
    assert at_once["pattern_id"] == info["pattern_id"]
    assert later.time_us == START_US + 8 * SECOND
    assert pipeline.wait(100) == []


def test_the_evidence_of_a_start_is_complete() -> None:
    pipeline = Pipeline()
    failed = {"step": "cache", "duration_ms": 0, "status": "FAILED"}
    event, _ = pipeline.start("svc", 2500, steps=[*STEPS, failed], instance="svc-7")
    assert event.payload["pattern_info"]["pattern_data"] == {
        "service_name": "svc",
        "instance_id": "svc-7",
        "version": "1.0.0",
        "startup_time_ms": 2500,
        "startup_time_source": "startup_info",
        "steps": [
            {"step": "config", "duration_ms": 700, "status": None},
            {"step": "database", "duration_ms": 1800, "status": "success"},
            {"step": "cache", "duration_ms": 0, "status": "FAILED"},
        ],
        "slowest_step": {"step": "database", "duration_ms": 1800, "share": 0.72},
        "failed_steps": ["cache"],
        "baseline_ms": None,
        "ratio": None,
        "starts_seen": 1,
        "phase": "observed",
    }


def test_a_pattern_event_has_every_field() -> None:
    pipeline = Pipeline()
    event, _ = pipeline.start("svc", 2500)
    uuid = ids.pattern("service_initialization", ENVIRONMENT, "svc")
    info = event.payload["pattern_info"]
    info.pop("pattern_data")
    assert (event.event_type, event.partition_key) == ("intelligence.pattern.discovered", uuid)
    assert info == {
        "pattern_id": f"pattern_{uuid}",
        "pattern_type": "service_initialization",
        "confidence_score": 0.6667,
        "discovery_time": format_us(START_US),
        "last_seen": format_us(START_US),
        "status": "active",
        "severity": None,
        "phase": "observed",
        "revision": 1,
        "occurrences": 1,
        "affected_services": ["svc"],
        "affected_services_total": 1,
        "affected_tools": [],
        "affected_tools_total": 0,
        "description": "svc 1.0.0 started in 2500 ms",
        "recommendations": [],
        "environment": ENVIRONMENT,
        "series": "start|svc",
        "discovery_method": "start_report",
    }
    assert event.payload["analysis_context"] == {
        "analysis_window": {"start_time": format_us(START_US), "end_time": format_us(START_US), "sample_size": 1},
        "data_sources": ["hooks.service_lifecycle"],
    }
    assert event.payload["actionable_insights"] == {"optimization_opportunities": [], "risk_indicators": []}


def test_ids_of_derived_events_name_cause_pattern_and_ordinal() -> None:
    pipeline = Pipeline()
    event, measured = pipeline.start("svc", 2500)
    (confirmed,) = pipeline.wait(8)
    cause = str(uuid5(UUID(int=0), "0"))
    kind = f"intelligence.pattern.discovered:{ids.pattern('service_initialization', ENVIRONMENT, 'svc')}"
    assert event.event_id == ids.derived(cause, kind, 0)
    assert confirmed.event_id == ids.derived(cause, kind, 1)
    assert measured.event_id == ids.derived(cause, "intelligence.performance.startup_measured", 0)
    assert {event.causation_id, confirmed.causation_id, measured.causation_id} == {cause}


def test_intelligence_05_everything_a_start_causes_carries_its_correlation() -> None:
    pipeline = Pipeline()
    for service in ("a", "b", "c"):
        pipeline.start(service, 2000, correlation_id="test-correlation-123")
    pipeline.wait(400)
    assert len(pipeline.published) == 3 * 3 + 2
    assert {event.correlation_id for event in pipeline.published} == {"test-correlation-123"}
    assert {event.trace_id for event in pipeline.published} == {"1" * 32}


def test_startup_measured_tells_the_ratio_to_the_median_before() -> None:
    pipeline = Pipeline()
    pipeline.start("svc", 1000)
    pipeline.start("svc", 2000)
    *_, measured = pipeline.start("svc", 3000, instance="svc-3")
    assert (measured.event_type, measured.partition_key) == ("intelligence.performance.startup_measured", "svc")
    assert measured.payload == {
        "service_name": "svc",
        "instance_id": "svc-3",
        "startup_time_ms": 3000,
        "startup_time_source": "startup_info",
        "baseline_ms": 1500,
        "ratio": 2.0,
    }


def test_a_start_without_a_time_is_reported_but_not_measured() -> None:
    pipeline = Pipeline()
    (event,) = pipeline.start("svc")
    info = event.payload["pattern_info"]
    assert (info["confidence_score"], info["pattern_data"]["startup_time_ms"]) == (0.6667, None)
    assert list(pipeline.states) == ["start|svc"]


@pytest.mark.parametrize(
    ("times", "confidence"),
    [
        ([1000, 1000], 0.75),  # (2+1)/(2+2)
        ([1000, None, 1400], 0.8),  # untimed starts agree; median 1200
        ([1000, 9000], 0.25),  # median 5000: neither is within ±50 %
        ([1000, 1500, 500], 0.8),  # both ends of ±50 % count
        ([1000] * 30, 0.9545),  # the last 20 count: 21/22
    ],
)
def test_confidence_is_the_rule_of_succession(times: list[float | None], confidence: float) -> None:
    pipeline = Pipeline()
    for time_ms in times:
        pipeline.start("svc", time_ms)
    last = initializations(pipeline)[-1]
    assert last["confidence_score"] == confidence
    assert last["occurrences"] == last["pattern_data"]["starts_seen"] == len(times)


def test_intelligence_15_stopped_3_s_after_the_start_is_failed_and_never_confirmed() -> None:
    pipeline = Pipeline()
    pipeline.start("svc", 2500, correlation_id="of the start")
    pipeline.wait(3)
    (failed,) = pipeline.report("stopped", "svc", correlation_id="of the stop")
    info = failed.payload["pattern_info"]
    assert (info["phase"], info["revision"], info["severity"]) == ("failed", 2, "high")
    assert (failed.correlation_id, failed.time_us) == ("of the stop", START_US + 3 * SECOND)
    assert [risk["type"] for risk in failed.payload["actionable_insights"]["risk_indicators"]] == ["failed_start"]
    assert [advice["priority"] for advice in info["recommendations"]] == ["high"]
    assert pipeline.wait(100) == []
    assert [pattern["phase"] for pattern in initializations(pipeline)] == ["observed", "failed"]


@pytest.mark.parametrize(("status", "phase"), [("UNHEALTHY", "failed"), ("critical", "failed"), ("degraded", None)])
def test_bad_health_fails_a_start(status: str, phase: str | None) -> None:
    pipeline = Pipeline()
    pipeline.start("svc", 2500)
    events = pipeline.report("health_changed", "svc", payload={"health_transition": {"current_status": status}})
    assert [event.payload["pattern_info"]["phase"] for event in events] == ([phase] if phase else [])


def test_starts_of_one_moment_are_confirmed_together() -> None:
    pipeline = Pipeline()
    pipeline.start("svc", 2500, instance="one")
    pipeline.start("svc", 2500, instance="two")
    confirmed = pipeline.wait(8)
    assert [event.payload["pattern_info"]["pattern_data"]["instance_id"] for event in confirmed] == ["one", "two"]


def test_only_the_starts_of_the_instance_that_stopped_fail() -> None:
    pipeline = Pipeline()
    for instance in ("one", "two", "one"):
        pipeline.start("svc", 2500, instance=instance)
    failed = pipeline.report("stopped", "svc", instance="one")
    confirmed = pipeline.wait(8)
    assert [event.payload["pattern_info"]["phase"] for event in failed] == ["failed", "failed"]
    assert [event.payload["pattern_info"]["pattern_data"]["instance_id"] for event in confirmed] == ["two"]
    assert len({event.event_id for event in pipeline.published}) == len(pipeline.published)
    assert [pattern["revision"] for pattern in initializations(pipeline)] == [1, 2, 3, 4, 5, 6]


def test_a_stop_after_the_deadline_finds_the_start_confirmed_though_the_tick_is_late() -> None:
    pipeline = Pipeline()
    pipeline.start("svc", 2500)
    pipeline.wait(8.5, tick=False)
    (confirmed,) = pipeline.report("stopped", "svc")
    assert confirmed.payload["pattern_info"]["phase"] == "confirmed"
    assert confirmed.time_us == START_US + 8 * SECOND


def test_news_about_a_service_that_never_started_leaves_no_state() -> None:
    pipeline = Pipeline()
    assert pipeline.report("stopped", "svc") == []
    assert pipeline.states == {}


def test_starts_that_wait_are_settled_early_when_there_are_too_many() -> None:
    pipeline = Pipeline()
    name = "\N{SNAIL}" * 98
    steps = [{"step": f"{number:02d}{name}", "duration_ms": number, "status": "failed"} for number in range(60)]
    for number in range(40):
        pipeline.start("svc", 2500, instance=f"{name}{number}", steps=steps, correlation_id="\N{SNAIL}" * 255)
        assert size(pipeline.states["start|svc"]) <= 16 * 1024
    state = pipeline.states["start|svc"]
    assert isinstance(state, ServiceStarts)
    assert 1 <= len(state.pending) < 40
    pipeline.wait(8)
    phases = [pattern["phase"] for pattern in initializations(pipeline)]
    assert (phases.count("observed"), phases.count("confirmed")) == (40, 40)
    assert len({event.event_id for event in pipeline.published}) == len(pipeline.published)
