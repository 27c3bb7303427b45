"""Tools become rows of tool_registrations, one per tool: an older event never overwrites a newer row (hooks §3, §8)."""

from bridge_app import ids
from bridge_app.domain.database_adapter import kinds
from bridge_app.domain.database_adapter.mapping import Route, Source, Values, columns
from bridge_app.domain.database_adapter.tables import Column, Conflict, Table
from bridge_app.domain.hooks.tool_registration import DEFAULTS
from bridge_app.events.envelope import Event
from bridge_app.timestamps import to_datetime

TOOL_REGISTRATIONS = Table(
    "tool_registrations",
    key=("tool_id",),
    columns=(
        Column("created_at", kinds.PLAIN_MOMENT),
        Column("updated_at", kinds.PLAIN_MOMENT),
        *columns(
            Column("tool_id", kinds.NAME),
            Column("tool_name", kinds.text(255, 1), ("name", "tool_name"), required=True),
            Column("version", kinds.text(50)),
            Column("service_source", kinds.text(100)),
            Column("category", kinds.text(100)),
            Column("description", kinds.TEXT),
            Column("input_schema", kinds.ANY_JSON, default="'{}'::jsonb"),
            Column("output_schema", kinds.ANY_JSON, default="'{}'::jsonb"),
            Column("execution_requirements", kinds.JSON, default="'{}'::jsonb"),
            Column("capabilities", kinds.JSON, default="'[]'::jsonb"),
            Column("tags", kinds.LIST, default="'[]'::jsonb"),
            Column("metadata", kinds.OBJECT, default="'{}'::jsonb"),
        ),
    ),
    conflict=Conflict.NEWEST,
    rank="updated_at",
    kept=frozenset({"created_at"}),
)


def _complete(event: Event, _source: Source, values: Values) -> Values:
    for name in ("version", "service_source", "category"):
        values[name] = values[name] or DEFAULTS[name]
    if values["tool_id"] is None:
        values["tool_id"] = ids.tool(values["service_source"], values["tool_name"], values["version"])
    values["created_at"] = values["updated_at"] = to_datetime(event.time_us).replace(tzinfo=None)
    return values


ROUTE = Route(
    TOOL_REGISTRATIONS, frozenset({"tool.registration.discovered", "tool.registration.updated"}), "tool_info", _complete
)
