"""What belongs to an experiment: configurations, deployments, load, intervals and results (experiments §14, §15)."""

from typing import Any

import orjson

from bridge_app.domain.database_adapter import kinds
from bridge_app.domain.database_adapter.experiments import EXPERIMENT_ID, VERSION
from bridge_app.domain.database_adapter.mapping import Route, Source, Unmappable, Values, columns
from bridge_app.domain.database_adapter.tables import Column, Conflict, Table
from bridge_app.events.envelope import Event
from bridge_app.timestamps import to_datetime

_COUNT = kinds.integer(0, big=True)
_RESULT_KINDS = {"experiment.analysis.interim": "interim", "experiment.analysis.completed": "final"}

CONFIGS = Table(
    "experiment_configs",
    key=("experiment_id", "variant", "config_version"),
    columns=(
        EXPERIMENT_ID,
        Column("created_at", kinds.MOMENT),
        *columns(
            Column("variant", kinds.NAME, required=True),
            Column("config_version", kinds.integer(), required=True),
            Column("pipeline", kinds.TEXT),
            Column("sha256", kinds.TEXT, required=True),
            Column("yaml", kinds.TEXT, required=True),
            Column("origin", kinds.TEXT, required=True),
        ),
    ),
)
DEPLOYMENTS = Table(
    "experiment_deployments",
    key=("experiment_id", "variant"),
    columns=(
        EXPERIMENT_ID,
        Column("version", VERSION, ("version",), required=True),
        Column("updated_at", kinds.MOMENT),
        *columns(
            Column("variant", kinds.NAME, required=True),
            Column("status", kinds.TEXT, required=True),
            Column("desired_version", kinds.integer(), required=True),
            Column("applied_version", kinds.integer()),
            Column("reload_state", kinds.TEXT, required=True),
            Column("nodes", kinds.LIST, default="'[]'::jsonb"),
        ),
    ),
    conflict=Conflict.HIGHER,
    rank="version",
)
SIMULATIONS = Table(
    "experiment_load_simulations",
    key=("id",),
    columns=(
        EXPERIMENT_ID,
        Column("version", VERSION, ("version",), required=True),
        *columns(
            Column("id", kinds.NAME, ("simulation.id",), required=True),
            Column("origin", kinds.TEXT, ("simulation.origin",), required=True),
            Column("state", kinds.TEXT, ("simulation.state",), default="'pending'"),
            Column("params", kinds.OBJECT, ("simulation.params",)),
            Column("started_at", kinds.MOMENT, ("simulation.started_at",)),
            Column("stopped_at", kinds.MOMENT, ("simulation.stopped_at",)),
        ),
    ),
    conflict=Conflict.HIGHER,
    rank="version",
)
INTERVALS = Table(
    "experiment_intervals",
    key=("experiment_id", "variant", "config_version", "interval_start"),
    columns=columns(
        EXPERIMENT_ID,
        Column("variant", kinds.NAME, required=True),
        Column("config_version", kinds.integer(), required=True),
        Column("interval_start", kinds.MOMENT, ("interval_start", "interval.start"), required=True),
        Column("interval_ms", _COUNT, ("interval_ms", "interval.ms"), required=True),
        *(Column(name, _COUNT, required=True) for name in ("out_series", "cells", "points", "failed")),
        Column("input_series", _COUNT),
        *(Column(f"latency_{quantile}", kinds.NUMBER) for quantile in ("p50", "p95", "p99")),
        *(Column(name, _COUNT, required=True) for name in ("critical_seen", "critical_total")),
    ),
)
RESULTS = Table(
    "experiment_results",
    key=("experiment_id", "kind", "number"),
    columns=(
        EXPERIMENT_ID,
        Column("kind", kinds.TEXT),
        Column("at", kinds.MOMENT),
        *columns(
            Column("number", kinds.integer(), ("number", "check.number", "version"), required=True),
            Column("recommendation", kinds.TEXT, ("recommendation", "results.recommendation", "check.recommendation")),
            Column("result", kinds.OBJECT, ("results", "check"), required=True),
        ),
    ),
)


def _config(event: Event, source: Source, values: Values) -> Values:
    if values["pipeline"] is None:
        _place, values["pipeline"] = source.find(f"record.{values['variant']}_pipeline")
    if not isinstance(values["pipeline"], str):
        raise Unmappable("$.pipeline")
    return {**values, "created_at": to_datetime(event.time_us)}


def _deployment(event: Event, _source: Source, values: Values) -> Values:
    return {**values, "updated_at": to_datetime(event.time_us)}


def _simulation(_event: Event, source: Source, values: Values) -> Values:
    """Fill in the parameters: those that the simulation does not name as such are its fields without a column."""
    if values["params"] is None:
        simulation: dict[str, Any] = source.find("simulation")[1]
        known = {"id", "origin", "state", "started_at", "stopped_at"}
        values["params"] = orjson.dumps({name: item for name, item in simulation.items() if name not in known}).decode()
    return values


def _result(event: Event, _source: Source, values: Values) -> Values:
    return {**values, "kind": _RESULT_KINDS[event.normal_type], "at": to_datetime(event.time_us)}


ROUTES = (
    Route(CONFIGS, frozenset({"experiment.config.generated"}), complete=_config),
    Route(DEPLOYMENTS, frozenset({"experiment.deployment.changed"}), "deployment", _deployment),
    Route(SIMULATIONS, frozenset({"experiment.load.started", "experiment.load.stopped"}), complete=_simulation),
    Route(INTERVALS, frozenset({"experiment.interval.closed"})),
    Route(RESULTS, frozenset(_RESULT_KINDS), complete=_result),
)
