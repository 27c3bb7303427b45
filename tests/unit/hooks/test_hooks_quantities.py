"""Every field that is named as a quantity is one, also where no rule names it (hooks §1)."""

from typing import Any

import pytest

from bridge_app.domain.hooks import LIFECYCLE, TOOL_EXECUTION, TOOL_REGISTRATION, Arrival, HookRoute, accept
from bridge_app.errors import ValidationError

ARRIVAL = Arrival("00000000-0000-4000-8000-000000000001", 0, "0" * 31 + "1", None, "own", None)
EXECUTION: dict[str, Any] = {"hook_type": "tool_executed", "execution_info": {"tool_name": "t", "execution_id": "e"}}
SERVICE = {"name": "s", "version": "1", "instance_id": "i"}
STOP = {"hook_type": "service_stopped", "service_info": SERVICE}
CHANGE = {"hook_type": "health_changed", "service_info": SERVICE}


def problems(route: HookRoute, body: dict[str, Any]) -> list[str]:
    try:
        accept(route, body, ARRIVAL)
    except ValidationError as refused:
        return [error.path for error in refused.errors]
    return []


@pytest.mark.parametrize(
    ("route", "body", "path"),
    [
        (TOOL_EXECUTION, EXECUTION | {"execution_timeline": {"phases": [{"duration_ms": -1}]}},
         "$.execution_timeline.phases[0].duration_ms"),
        (TOOL_EXECUTION, EXECUTION | {"resource_usage": {"io_operations": {"read_mb": "3"}}},
         "$.resource_usage.io_operations.read_mb"),
        (LIFECYCLE, STOP | {"shutdown_info": {"cleanup_operations": ["a", {"b": 1}, {"duration_ms": True}]}},
         "$.shutdown_info.cleanup_operations[2].duration_ms"),
        (LIFECYCLE, CHANGE | {"health_transition": {"current_status": "healthy", "health_details": {"lag_ms": -0.1}}},
         "$.health_transition.health_details.lag_ms"),
        (LIFECYCLE, STOP | {"mine": [{"load_percent": []}]}, "$.mine[0].load_percent"),
    ],
)  # fmt: skip
def test_hooks_1_a_quantity_is_a_number_in_lists_and_objects_without_rules(
    route: HookRoute, body: dict[str, Any], path: str
) -> None:
    assert problems(route, body) == [path]


def test_what_is_no_quantity_stays_free() -> None:
    free = {"phases": ["a", 3, None, {"duration_ms": 0.5, "wait_ms": None, "name": -1}, [{"x_ms": "y"}]]}
    assert problems(TOOL_EXECUTION, EXECUTION | {"execution_timeline": free, "mine": {"a": {"b": {"c_ms": "d"}}}}) == []


def test_the_schema_of_a_tool_may_name_its_fields_as_it_likes() -> None:
    schema = {"type": "object", "properties": {"timeout_ms": {"type": "number"}}}
    tool = {"name": "t", "input_schema": schema, "output_schema": {"$defs": {"size_mb": {"type": "number"}}}}
    assert problems(TOOL_REGISTRATION, {"hook_type": "tool_discovered", "tool_info": tool}) == []


@pytest.mark.parametrize("value", ["x" * 4096, ["x"] * 1000, 7, {"code": 3}, None])
def test_fields_of_any_type_keep_what_is_within_the_limits(value: Any) -> None:
    assert problems(TOOL_EXECUTION, EXECUTION | {"execution_result": {"error": value}}) == []


@pytest.mark.parametrize("value", ["x" * 4097, ["x"] * 1001])
def test_hooks_1_the_limits_of_texts_and_lists_hold_where_any_type_will_do(value: Any) -> None:
    context = {**EXECUTION["execution_info"], "execution_context": {"priority": value}}
    assert problems(TOOL_EXECUTION, EXECUTION | {"execution_result": {"error": value}}) == ["$.execution_result.error"]
    assert problems(TOOL_EXECUTION, EXECUTION | {"execution_info": context}) == [
        "$.execution_info.execution_context.priority"
    ]
    assert problems(LIFECYCLE, STOP | {"service_info": {**SERVICE, "endpoints": value, "process_id": value}}) == [
        "$.service_info.endpoints",
        "$.service_info.process_id",
    ]
