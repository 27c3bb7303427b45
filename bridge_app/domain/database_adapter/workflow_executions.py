"""Workflows become rows of workflow_executions (workflows §9)."""

from typing import Any, Final

import orjson

from bridge_app import ids
from bridge_app.domain.database_adapter import kinds
from bridge_app.domain.database_adapter.mapping import Route, Source, Values, columns
from bridge_app.domain.database_adapter.omission import CONTENTS
from bridge_app.domain.database_adapter.tables import Column, Conflict, Table
from bridge_app.events.envelope import Event
from bridge_app.timestamps import to_datetime

STARTED_SEQUENCE = 1
TERMINAL_SEQUENCE = 1_000_000
NOT_STORED: Final = CONTENTS | {"stamped_content"}

_STATES = {"started": "processing", "completed": "completed", "failed": "failed", "cancelled": "cancelled"}
_NAMES = ("workflow_{}", "stamp_workflow_{}")
_STATE_OF = {name.format(end): state for end, state in _STATES.items() for name in _NAMES}

#: What a workflow puts out (workflows §5), as far as it has no column of its own and is no content.
_OUTPUT = (
    "stamp_id", "file_hash", "stamped_content_encoding", "stamp", "stamp_metadata", "namespace", "op_id", "version",
    "metadata_version", "workflow_id", "correlation_id", "workflow_state", "intelligence_data", "fallback_used",
    "source", "warning", "error", "processing_time_ms", "hash_generation_time_ms", "workflow_steps_executed",
    "workflow_steps", "created_at", "completed_at",
)  # fmt: skip


def _without_contents(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_contents(item) for name, item in value.items() if name not in NOT_STORED}
    return [_without_contents(item) for item in value] if isinstance(value, list) else value


def _read_object(value: Any) -> str:
    if not isinstance(value, dict):
        raise ValueError("object")
    return orjson.dumps(_without_contents(value)).decode()


_OBJECT = kinds.Kind("jsonb", _read_object)

WORKFLOW_EXECUTIONS = Table(
    "workflow_executions",
    key=("workflow_id",),
    columns=(
        Column("id", kinds.UUID),
        Column("correlation_id", kinds.TEXT),
        *columns(
            Column("workflow_id", kinds.NAME, ("workflow_id", "op_id", "correlation_id"), required=True),
            Column("workflow_type", kinds.TEXT, default="'metadata_stamping'"),
            Column("current_state", kinds.TEXT, ("current_state", "state", "workflow_state")),
            Column("namespace", kinds.TEXT, default="'omninode.services.metadata'"),
            Column("started_at", kinds.MOMENT, ("started_at", "timestamp")),
            Column("completed_at", kinds.MOMENT),
            Column("deadline_at", kinds.MOMENT),
            Column("execution_time_ms", kinds.NUMBER, ("execution_time_ms", "processing_time_ms")),
            Column("error_message", kinds.MESSAGE, ("error_message", "error.message", "error")),
            Column("error_code", kinds.TEXT, ("error_code", "error.code")),
            Column("stamp_id", kinds.TEXT),
            Column("file_hash", kinds.TEXT),
            Column("intelligence_data", kinds.ANY_JSON),
            Column("hash_generation_time_ms", kinds.NUMBER),
            Column("workflow_steps", kinds.LIST, default="'[]'::jsonb"),
            Column("workflow_steps_executed", kinds.integer(), default="0"),
            Column("input_data", _OBJECT, ("input_data", "input")),
            Column("output_data", _OBJECT),
            Column("metadata", _OBJECT, ("metadata", "stamp_metadata"), default="'{}'::jsonb"),
            Column("sequence", kinds.integer()),
        ),
    ),
    conflict=Conflict.MERGED,
    rank="sequence",
    earliest=frozenset({"started_at"}),
    kept=frozenset({"id"}),
    touched="updated_at",
)


def _complete(event: Event, source: Source, values: Values) -> Values:
    state = _STATE_OF[event.normal_type]
    is_terminal = state != _STATES["started"]
    time = to_datetime(event.time_us)
    values["id"] = workflow_row_id(values["workflow_id"])
    values["correlation_id"] = event.correlation_id
    values["current_state"] = values["current_state"] or state
    values["started_at"] = values["started_at"] or time
    if values["sequence"] is None:
        values["sequence"] = TERMINAL_SEQUENCE if is_terminal else STARTED_SEQUENCE
    if is_terminal:
        values["completed_at"] = values["completed_at"] or time
        values["output_data"] = values["output_data"] or _output(source)
    return values


def workflow_row_id(workflow_id: str) -> str:
    """Return the id of a workflow's row: its own if that is a UUID, however it is written, else one derived from it."""
    return ids.canonical(workflow_id) or ids.name_based("workflow", workflow_id)


def _output(source: Source) -> str | None:
    found = {name: value for name in _OUTPUT if (value := source.find(name)[1]) is not None}
    return orjson.dumps(_without_contents(found)).decode() if found else None


ROUTE = Route(WORKFLOW_EXECUTIONS, frozenset(_STATE_OF), "workflow_execution_data", _complete)
