"""Steps and transitions become rows of workflow_steps and fsm_transitions, one per event (workflows §9)."""

from bridge_app.domain.database_adapter import kinds
from bridge_app.domain.database_adapter.mapping import Route, Source, Values, columns
from bridge_app.domain.database_adapter.tables import Column, Table
from bridge_app.events.envelope import Event
from bridge_app.timestamps import to_datetime

WORKFLOW_STEPS = Table(
    "workflow_steps",
    key=("id",),
    columns=(
        Column("id", kinds.UUID),
        Column("created_at", kinds.MOMENT),
        *columns(
            Column("workflow_id", kinds.NAME, required=True),
            Column("step_name", kinds.NAME, ("step_name", "step_type"), required=True),
            Column("step_order", kinds.integer(), default="0"),
            Column("status", kinds.TEXT, ("status", "step_status"), default="'success'"),
            Column("attempt", kinds.integer(), default="1"),
            Column("execution_time_ms", kinds.NUMBER),
            Column("step_data", kinds.OBJECT, ("step_data", "metadata"), default="'{}'::jsonb"),
            Column("error_message", kinds.MESSAGE, ("error_message", "error.message", "error")),
        ),
    ),
)

FSM_TRANSITIONS = Table(
    "fsm_transitions",
    key=("id",),
    columns=(
        Column("id", kinds.UUID),
        Column("correlation_id", kinds.TEXT),
        Column("created_at", kinds.MOMENT),
        *columns(
            Column("entity_id", kinds.NAME, ("entity_id", "workflow_id"), required=True),
            Column("entity_type", kinds.TEXT, default="'workflow'"),
            Column("from_state", kinds.TEXT),
            Column("to_state", kinds.NAME, required=True),
            Column("transition_event", kinds.TEXT, ("transition_event", "trigger")),
            Column("transition_data", kinds.OBJECT, ("transition_data", "metadata"), default="'{}'::jsonb"),
            Column("sequence", kinds.integer(), default="0"),
        ),
    ),
)


def _complete(event: Event, _source: Source, values: Values) -> Values:
    time = to_datetime(event.time_us)
    return {**values, "id": event.event_id, "correlation_id": event.correlation_id, "created_at": time}


STEP_ROUTE = Route(
    WORKFLOW_STEPS, frozenset({"step_completed", "workflow_step_completed"}), "workflow_step_data", _complete
)
TRANSITION_ROUTE = Route(
    FSM_TRANSITIONS,
    frozenset({"state_transition", "workflow_state_transition", "fsm_state_transitioned"}),
    "fsm_transition_data",
    _complete,
)
