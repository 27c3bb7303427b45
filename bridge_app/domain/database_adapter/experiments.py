"""Experiments become rows of experiments and of what belongs to them, from experiment.events (experiments §14, §15).

Every event that changes the record carries the whole of it as `record`. So does a create that a view has validated: it
gives the first row, which need not wait for the agent. A create without it, another service's, is the agent's to judge.
"""

from bridge_app.domain.database_adapter import kinds
from bridge_app.domain.database_adapter.mapping import Route, Source, Unmappable, Values, columns
from bridge_app.domain.database_adapter.tables import Column, Conflict, Table
from bridge_app.events.envelope import Event
from bridge_app.timestamps import to_datetime

VERSION = kinds.integer(0, big=True)
EXPERIMENT_ID = Column("experiment_id", kinds.UUID, ("experiment_id",), required=True)

_CHANGES = ("created", "state_changed", "deleted", "config.generated", "config.applied", "config.rejected",
            "deployment.changed", "load.started", "load.stopped", "analysis.interim", "analysis.completed",
            "alert")  # fmt: skip
_DELETED = "experiment.deleted"
_CREATE = "experiment.command.create"
_FIRST_VERSION = 1

EXPERIMENTS = Table(
    "experiments",
    key=("id",),
    columns=columns(
        Column("id", kinds.UUID, ("id", "experiment_id"), required=True),
        Column("tenant_id", kinds.TEXT, default="'default'"),
        Column("name", kinds.TEXT, required=True),
        Column("description", kinds.TEXT, default="''"),
        Column("state", kinds.TEXT, default="'pending'"),
        Column("baseline_pipeline", kinds.TEXT, required=True),
        Column("candidate_pipeline", kinds.TEXT, required=True),
        Column("target_nodes", kinds.LIST, default="'[]'::jsonb"),
        Column("labels", kinds.OBJECT, default="'{}'::jsonb"),
        Column("config", kinds.OBJECT, default="'{}'::jsonb"),
        Column("record", kinds.OBJECT, required=True),
        Column("recommendation", kinds.TEXT, ("recommendation", "results.recommendation")),
        Column("created_by", kinds.TEXT),
        Column("version", VERSION, required=True),
        Column("created_at", kinds.MOMENT),
        Column("updated_at", kinds.MOMENT),
        Column("started_at", kinds.MOMENT),
        Column("ends_at", kinds.MOMENT),
        Column("completed_at", kinds.MOMENT),
        Column("deleted_at", kinds.MOMENT),
    ),
    conflict=Conflict.HIGHER,
    rank="version",
)
TRANSITIONS = Table(
    "experiment_transitions",
    key=("experiment_id", "version"),
    columns=(
        EXPERIMENT_ID,
        Column("at", kinds.MOMENT),
        *columns(
            Column("version", VERSION, required=True),
            Column("from_state", kinds.TEXT, ("previous_state",)),
            Column("to_state", kinds.TEXT, ("state",), required=True),
            Column("reason", kinds.TEXT),
            Column("actor", kinds.TEXT),
        ),
    ),
)


def _complete(event: Event, _source: Source, values: Values) -> Values:
    time = to_datetime(event.time_us)
    values["created_at"] = values["created_at"] or time
    values["updated_at"] = values["updated_at"] or time
    if event.normal_type == _DELETED:
        values["deleted_at"] = values["deleted_at"] or time
    return values


def _first(event: Event, source: Source, values: Values) -> Values:
    """Complete the row of a create. Its version is the lowest, so it never takes the place of another row."""
    if values["version"] != _FIRST_VERSION:
        raise Unmappable("$.record.version")
    return _complete(event, source, values)


def _moved(event: Event, _source: Source, values: Values) -> Values:
    return {**values, "at": to_datetime(event.time_us)}


ROUTES = (
    Route(EXPERIMENTS, frozenset({_CREATE}), "record", _first, only_wrapped=True),
    Route(EXPERIMENTS, frozenset(f"experiment.{change}" for change in _CHANGES), "record", _complete),
    Route(TRANSITIONS, frozenset({"experiment.created", "experiment.state_changed"}), complete=_moved),
)
