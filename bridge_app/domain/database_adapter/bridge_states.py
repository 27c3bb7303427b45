"""The state of a namespace becomes its row of bridge_states, the highest version stays (workflows §10)."""

from bridge_app import ids
from bridge_app.domain.database_adapter import kinds
from bridge_app.domain.database_adapter.kinds import Kind
from bridge_app.domain.database_adapter.mapping import Route, Source, Values
from bridge_app.domain.database_adapter.tables import Column, Conflict, Table
from bridge_app.events.envelope import Event

_COUNT = kinds.integer(big=True)


def _of_state(name: str, kind: Kind, default: str | None = None) -> Column:
    return Column(name, kind, (f"state.{name}", name), default=default)


BRIDGE_STATES = Table(
    "bridge_states",
    key=("namespace",),
    columns=(
        Column("bridge_id", kinds.UUID),
        Column("namespace", kinds.NAME, ("namespace",), required=True),
        Column("version", _COUNT, ("version",), required=True),
        _of_state("total_workflows_processed", _COUNT, "0"),
        _of_state("total_items_aggregated", _COUNT, "0"),
        _of_state("total_size_bytes", _COUNT, "0"),
        _of_state("unique_file_types", kinds.SAMPLE_OF_TEXTS, "'{}'"),
        _of_state("unique_workflows", kinds.SAMPLE_OF_TEXTS, "'{}'"),
        _of_state("aggregation_type", kinds.TEXT, "'namespace_grouping'"),
        _of_state("aggregation_metadata", kinds.OBJECT, "'{}'::jsonb"),
        _of_state("current_fsm_state", kinds.TEXT, "'completed'"),
        _of_state("last_aggregation_timestamp", kinds.MOMENT),
        _of_state("window_start", kinds.MOMENT),
        _of_state("window_end", kinds.MOMENT),
        _of_state("aggregation_duration_ms", kinds.NUMBER),
        _of_state("items_per_second", kinds.NUMBER),
        _of_state("configuration", kinds.OBJECT, "'{}'::jsonb"),
    ),
    conflict=Conflict.HIGHER,
    rank="version",
    kept=frozenset({"bridge_id"}),
    touched="updated_at",
)


def _complete(_event: Event, _source: Source, values: Values) -> Values:
    return {**values, "bridge_id": ids.name_based("bridge", values["namespace"])}


ROUTE = Route(
    BRIDGE_STATES, frozenset({"state_committed", "state_aggregation_completed"}), "bridge_state_data", _complete
)
