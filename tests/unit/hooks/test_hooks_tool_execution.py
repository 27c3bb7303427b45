"""From the body of a tool execution hook to its event (hooks §4, §6, §9)."""

from typing import Any

import pytest

from bridge_app.domain.hooks import TOOL_EXECUTION, Arrival, accept
from bridge_app.errors import InvalidHookType, ValidationError
from bridge_app.events.envelope import Event

INFO = {"tool_name": "search", "execution_id": "e-1"}
TIMELINE = {
    "requested_at": "2024-01-15T10:30:00Z",
    "started_at": "2024-01-15T10:30:00.5Z",
    "completed_at": "2024-01-15T10:30:02.5Z",
}


def event_of(hook_type: str = "tool_executed", **sections: Any) -> Event:
    body = {"hook_type": hook_type, "execution_info": INFO, **sections}
    arrival = Arrival("00000000-0000-4000-8000-000000000001", 0, "a" * 32, None, "generated", None)
    return accept(TOOL_EXECUTION, body, arrival)


def errors_of(**sections: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        event_of(**sections)
    return {error.path: error.message for error in caught.value.errors}


def test_hooks_05_the_seeds_execution_takes_1500_ms() -> None:
    event = event_of(
        execution_info={**INFO, "requester_service": "test_client", "executor_service": "integration-test-service"},
        execution_timeline={**TIMELINE, "total_duration_ms": 2000, "execution_time_ms": 1500},
        execution_result={"status": "success", "result_type": "test_result", "output_size_bytes": 1024},
        resource_usage={"cpu_usage": {"peak_percent": 35.0}, "memory_usage": {"peak_mb": 128}},
    )
    assert (event.event_type, event.partition_key) == ("tool.execution.completed", "search")
    assert event.payload["derived"] == {"execution_time_ms": 1500, "outcome": "success"}
    assert event.metadata["hook_type"] == "tool_executed"


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"execution_info": {**INFO, "execution_time_ms": 150}}, 150),
        ({"execution_timeline": {**TIMELINE, "execution_time_ms": 7, "total_duration_ms": 9}}, 7),
        ({"execution_timeline": {**TIMELINE, "total_duration_ms": 9.5}}, 9.5),
        ({"execution_timeline": TIMELINE}, 2000),
        ({"execution_timeline": {**TIMELINE, "completed_at": "2024-01-15T10:30:00.5005Z"}}, 0.5),
        ({"execution_timeline": {"started_at": TIMELINE["started_at"]}}, None),
        ({}, None),
    ],
)
def test_hooks_06_the_effective_time_has_an_order_of_sources(sections: dict[str, Any], expected: float | None) -> None:
    assert event_of(**sections).payload["derived"]["execution_time_ms"] == expected


@pytest.mark.parametrize(
    ("hook_type", "result", "outcome"),
    [
        ("tool_executed", None, "success"),
        ("tool_execution_completed", {}, "success"),
        ("tool_executed", {"status": "partial"}, "success"),
        ("tool_executed", {"status": "FAILED"}, "failure"),
        ("tool_executed", {"status": "timeout"}, "failure"),
        ("tool_executed", {"status": "success", "error": "boom"}, "failure"),
        ("tool_executed", {"status": "success", "error": {}}, "success"),
        ("tool_executed", {"status": "Cancelled"}, "cancelled"),
        ("TOOL-EXECUTION-FAILED", {"status": "success"}, "failure"),
        ("tool_execution_failed", {"status": "cancelled"}, "failure"),
    ],
)
def test_the_outcome_decides_the_event_type(hook_type: str, result: dict[str, Any] | None, outcome: str) -> None:
    event = event_of(hook_type, execution_result=result)
    assert event.payload["derived"]["outcome"] == outcome
    assert event.event_type == ("tool.execution.failed" if outcome == "failure" else "tool.execution.completed")


def test_hooks_10_what_is_wrong_is_named_with_its_path() -> None:
    assert errors_of(execution_info={"tool_name": " ", "execution_id": ""}) == {
        "$.execution_info.tool_name": "Expected str that is not blank",
        "$.execution_info.execution_id": "Expected str of 1 to 200 characters",
    }
    assert errors_of(execution_info=None) == {"$.execution_info": "Missing required field"}
    assert errors_of(execution_timeline={"execution_time_ms": -1}) == {
        "$.execution_timeline.execution_time_ms": "Expected finite number >= 0"
    }
    assert errors_of(resource_usage={"cpu_usage": {"peak_percent": "85"}}) == {
        "$.resource_usage.cpu_usage.peak_percent": "Expected number"
    }
    assert errors_of(execution_result={"output_size_bytes": 1.5}) == {
        "$.execution_result.output_size_bytes": "Expected int"
    }


def test_hooks_10_an_execution_does_not_end_before_it_starts() -> None:
    backwards = {"started_at": "2024-01-15T10:30:01+00:00", "completed_at": "2024-01-15T11:30:00+01:00"}
    assert errors_of(execution_timeline=backwards) == {
        "$.execution_timeline.completed_at": "Expected a time not before started_at"
    }


def test_hooks_9_an_unknown_type_is_named_with_what_the_rules_of_its_route_find() -> None:
    timeline = {**TIMELINE, "completed_at": "2024-01-15T10:29:00Z"}
    with pytest.raises(InvalidHookType) as caught:
        event_of("nope", execution_timeline=timeline, correlation_id="")
    assert {error.path for error in caught.value.errors} == {
        "$.hook_type",
        "$.correlation_id",
        "$.execution_timeline.completed_at",
    }
    with pytest.raises(ValidationError) as refused:
        event_of("nope", execution_timeline={**timeline, "started_at": 3})
    assert {error.path for error in refused.value.errors} == {"$.hook_type", "$.execution_timeline.started_at"}


def test_hooks_10_hooks_of_other_routes_are_not_taken() -> None:
    with pytest.raises(InvalidHookType) as caught:
        event_of("service_started")
    assert caught.value.details["allowed"] == ["tool_executed"]
