"""Which events leave which rows, and which cannot (database-adapter §4)."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from bridge_app import ids
from bridge_app.domain.database_adapter.fold import fold
from bridge_app.domain.database_adapter.mapping import Unmappable
from bridge_app.domain.database_adapter.records import read_event
from bridge_app.domain.database_adapter.routing import ROUTES, TABLES, routed_rows
from bridge_app.effects.statements import insert
from bridge_app.events.envelope import Event

WORKFLOW = {"workflow_id": "w"}
UUID_TEXT = "7c0a3f0e-6d3c-4f4e-9a0b-0d3f7f2b8f11"
EXPERIMENT = {
    "id": ids.name_based("e"), "name": "e", "baseline_pipeline": "b", "candidate_pipeline": "c", "version": 1,
}  # fmt: skip
STEP = {"workflow_id": "w", "step_name": "hash"}
TRANSITION = {"entity_id": "e", "to_state": "b"}
STAMP = {"file_hash": "0" * 64}
STATE = {"namespace": "n", "version": 1}
TOOL = {"name": "grep"}


@pytest.mark.parametrize(
    ("event_type", "wrapper", "fields", "table"),
    [
        ("WORKFLOW_STARTED", "workflow_execution_data", WORKFLOW, "workflow_executions"),
        ("workflow-completed", "workflow_execution_data", WORKFLOW, "workflow_executions"),
        ("WORKFLOW_CANCELLED", "workflow_execution_data", WORKFLOW, "workflow_executions"),
        ("stamp_workflow_failed", "workflow_execution_data", WORKFLOW, "workflow_executions"),
        ("STEP_COMPLETED", "workflow_step_data", STEP, "workflow_steps"),
        ("workflow_step_completed", "workflow_step_data", STEP, "workflow_steps"),
        ("STATE_TRANSITION", "fsm_transition_data", TRANSITION, "fsm_transitions"),
        ("workflow_state_transition", "fsm_transition_data", TRANSITION, "fsm_transitions"),
        ("fsm-state-transitioned", "fsm_transition_data", TRANSITION, "fsm_transitions"),
        ("metadata.stamped", "metadata_stamp_data", STAMP, "metadata_stamps"),
        ("metadata_stamp_created", "metadata_stamp_data", STAMP, "metadata_stamps"),
        ("stamp_created", "metadata_stamp_data", STAMP, "metadata_stamps"),
        ("STATE_COMMITTED", "bridge_state_data", STATE, "bridge_states"),
        ("state_aggregation_completed", "bridge_state_data", STATE, "bridge_states"),
        ("tool.registration.updated", "tool_info", TOOL, "tool_registrations"),
    ],
)
def test_aliases_and_wrappers(
    make_event: Callable[..., Event], event_type: str, wrapper: str, fields: dict[str, Any], table: str
) -> None:
    (flat,) = routed_rows(make_event(event_type=event_type, payload=fields))
    (wrapped,) = routed_rows(make_event(event_type=event_type, payload={wrapper: fields}))
    assert flat == wrapped
    assert flat.table.name == table


@pytest.mark.parametrize(
    ("event_type", "payload", "path"),
    [
        ("WORKFLOW_STARTED", {}, "$.workflow_id"),
        ("WORKFLOW_STARTED", {"workflow_execution_data": {}}, "$.workflow_execution_data.workflow_id"),
        ("WORKFLOW_STARTED", {"workflow_execution_data": 5}, "$.workflow_execution_data"),
        ("WORKFLOW_STARTED", {**WORKFLOW, "sequence": "1"}, "$.sequence"),
        ("WORKFLOW_STARTED", {**WORKFLOW, "started_at": "yesterday"}, "$.started_at"),
        ("WORKFLOW_FAILED", {**WORKFLOW, "error": {"code": 7}}, "$.error.code"),
        ("WORKFLOW_COMPLETED", {**WORKFLOW, "execution_time_ms": "1"}, "$.execution_time_ms"),
        ("STEP_COMPLETED", {"workflow_id": "w"}, "$.step_name"),
        ("STEP_COMPLETED", {**STEP, "step_name": ""}, "$.step_name"),
        ("STATE_TRANSITION", {"entity_id": "e"}, "$.to_state"),
        ("metadata.stamped", {**STAMP, "file_size_bytes": 1.5}, "$.file_size_bytes"),
        ("STATE_COMMITTED", {"namespace": "n", "version": True}, "$.version"),
        ("STATE_COMMITTED", {**STATE, "state": {"unique_workflows": [1]}}, "$.state.unique_workflows"),
        ("tool.registration.discovered", {"tool_info": {}}, "$.tool_info.name"),
        ("tool.registration.discovered", {"tool_info": {**TOOL, "version": "1" * 51}}, "$.tool_info.version"),
        ("experiment.created", {"experiment_id": "x"}, "$.experiment_id"),
        ("experiment.interval.closed", {}, "$.experiment_id"),
        ("experiment.command.create", {"record": {}}, "$.record.id"),
        ("experiment.command.create", {"record": "r"}, "$.record"),
        ("experiment.command.create", {"record": {**EXPERIMENT, "version": 2}}, "$.record.version"),
    ],
)
def test_payload_that_cannot_be_mapped_is_logged_only(
    make_record: Callable[..., Any], event_type: str, payload: dict[str, Any], path: str
) -> None:
    entry = read_event(make_record(event_type=event_type, payload=payload))
    assert entry.event is not None
    assert orjson.loads(entry.event.metadata)["routing_error"] == path
    assert entry.routed == ()


@pytest.mark.parametrize(
    ("event_type", "payload", "column"),
    [
        ("WORKFLOW_STARTED", {**WORKFLOW, "namespace": "n" * 256}, "namespace"),
        ("WORKFLOW_STARTED", {**WORKFLOW, "sequence": 2**31}, "sequence"),
        ("WORKFLOW_STARTED", {**WORKFLOW, "execution_time_ms": -1.0}, "execution_time_ms"),
        ("STEP_COMPLETED", {**STEP, "step_order": -1}, "step_order"),
        ("STATE_TRANSITION", {**TRANSITION, "to_state": "s" * 51}, "to_state"),
        ("metadata.stamped", {"file_hash": "0" * 63}, "file_hash"),
        ("metadata.stamped", {**STAMP, "file_size": -1}, "file_size"),
        ("STATE_COMMITTED", {**STATE, "version": 0}, "version"),
        ("STATE_COMMITTED", {**STATE, "items_per_second": 1e10}, "items_per_second"),
    ],
)
def test_what_breaks_a_constraint_is_for_postgres_to_refuse(
    make_event: Callable[..., Event], event_type: str, payload: dict[str, Any], column: str
) -> None:
    (row,) = routed_rows(make_event(event_type=event_type, payload=payload))
    assert row.values[column] == payload[column]


def test_an_event_with_one_bad_row_has_none(make_event: Callable[..., Event]) -> None:
    payload = {"experiment_id": EXPERIMENT["id"], "state": "pending", "version": 1, "record": EXPERIMENT}
    assert len(routed_rows(make_event(event_type="experiment.created", payload=payload))) == 2
    with pytest.raises(Unmappable, match=r"\$\.state"):
        routed_rows(make_event(event_type="experiment.created", payload={**payload, "state": 1}))


def test_a_create_of_another_service_has_no_row_before_the_agent_has_judged_it(
    make_record: Callable[..., Any],
) -> None:
    entry = read_event(make_record(event_type="experiment.command.create", payload={"request": {"name": "e"}}))
    assert not entry.routed
    assert entry.event is not None
    assert "routing_error" not in orjson.loads(entry.event.metadata)


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        ({"op_id": "o", "correlation_id": "c"}, "workflow_id", "o"),
        ({"correlation_id": "c"}, "workflow_id", "c"),
        (WORKFLOW, "id", ids.name_based("workflow", "w")),
        ({"workflow_id": UUID_TEXT}, "id", UUID_TEXT),
        ({"workflow_id": UUID_TEXT.upper()}, "id", UUID_TEXT),
        ({"workflow_id": UUID_TEXT.upper()}, "workflow_id", UUID_TEXT.upper()),
        ({**WORKFLOW, "workflow_state": "odd"}, "current_state", "odd"),
        ({**WORKFLOW, "state": "s", "workflow_state": "odd"}, "current_state", "s"),
        (WORKFLOW, "current_state", "failed"),
        ({**WORKFLOW, "processing_time_ms": 2}, "execution_time_ms", 2.0),
        ({**WORKFLOW, "error": {"message": "m", "code": "C"}}, "error_message", "m"),
        ({**WORKFLOW, "error": {"message": "m", "code": "C"}}, "error_code", "C"),
        ({**WORKFLOW, "error": "text"}, "error_message", "text"),
        ({**WORKFLOW, "stamp_metadata": {"a": 1}}, "metadata", '{"a":1}'),
        (WORKFLOW, "sequence", 1_000_000),
        ({**WORKFLOW, "output_data": {"a": {"content": "c"}, "stamped_content": "c"}}, "output_data", '{"a":{}}'),
        ({**WORKFLOW, "input": {"content": "c", "b": 1}}, "input_data", '{"b":1}'),
    ],
)
def test_alternatives_of_a_workflow(
    make_event: Callable[..., Event], fields: dict[str, Any], column: str, value: Any
) -> None:
    (row,) = routed_rows(make_event(event_type="WORKFLOW_FAILED", payload=fields))
    assert row.values[column] == value


def test_error_message_of_a_step(make_event: Callable[..., Event]) -> None:
    payload = {**STEP, "error": {"code": "TIMEOUT"}}
    (row,) = routed_rows(make_event(event_type="STEP_COMPLETED", payload=payload))
    assert row.values["error_message"] == '{"code":"TIMEOUT"}'


def test_only_one_row_per_key_and_only_tables_with_rows(make_record: Callable[..., Any]) -> None:
    records = [
        make_record(event_type=event_type, payload={**WORKFLOW, **fields}, event_id=ids.name_based(event_type))
        for event_type, fields in [("WORKFLOW_COMPLETED", {"file_hash": "f"}), ("WORKFLOW_STARTED", {"namespace": "n"})]
    ]
    rows = fold(map(read_event, records))
    assert list(rows.routed) == ["workflow_executions"]
    (row,) = rows.routed["workflow_executions"]
    assert (row.values["current_state"], row.values["file_hash"], row.values["namespace"]) == ("completed", "f", "n")


def test_tables_are_declared_soundly() -> None:
    assert [table.name for table in TABLES][:6] == [
        "workflow_executions", "workflow_steps", "fsm_transitions", "metadata_stamps", "bridge_states",
        "intelligence_patterns",
    ]  # fmt: skip
    for table in {route.table for route in ROUTES}:
        names = [column.name for column in table.columns]
        assert len(names) == len(set(names)), table.name
        assert {*table.key, *table.earliest, *table.kept, *filter(None, [table.rank])} <= set(names), table.name
        assert insert(table).startswith(f"INSERT INTO {table.name} ")
