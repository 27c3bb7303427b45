"""Stamps become rows of metadata_stamps; the first of a namespace and hash stays (stamping §5, §8)."""

from typing import Any, Final

import orjson

from bridge_app import ids
from bridge_app.domain.database_adapter import kinds
from bridge_app.domain.database_adapter.mapping import Route, Source, Values, columns
from bridge_app.domain.database_adapter.tables import Column, Table
from bridge_app.events.envelope import Event
from bridge_app.timestamps import to_datetime

DEFAULT_NAMESPACE: Final = "omninode.services.metadata"

_STAMP_DATA = ("hash_algorithm", "execution_time_ms", "integrity")


def _read_hash(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("hash")
    return value.lower()


METADATA_STAMPS = Table(
    "metadata_stamps",
    key=("namespace", "file_hash"),
    columns=(
        Column("created_at", kinds.MOMENT, ("created_at",)),
        *columns(
            Column("stamp_id", kinds.Kind("uuid", kinds.TEXT.read)),
            Column("namespace", kinds.NAME),
            Column("file_hash", kinds.Kind("text", _read_hash), required=True),
            Column("file_path", kinds.TEXT, default="''"),
            Column("file_size", kinds.integer(big=True), ("file_size", "file_size_bytes"), default="0"),
            Column("content_type", kinds.TEXT),
            Column("stamp_type", kinds.TEXT, default="'lightweight'"),
            Column("stamp", kinds.TEXT),
            Column("source", kinds.TEXT, default="'local'"),
            Column("stamp_data", kinds.OBJECT, default="'{}'::jsonb"),
            Column("metadata", kinds.OBJECT, default="'{}'::jsonb"),
            Column("intelligence_data", kinds.OBJECT, default="'{}'::jsonb"),
            Column("op_id", kinds.TEXT),
            Column("version", kinds.integer(), default="1"),
            Column("metadata_version", kinds.TEXT, default="'0.1'"),
            Column("protocol_version", kinds.TEXT, default="'1.0'"),
            Column("workflow_id", kinds.TEXT),
            Column("correlation_id", kinds.TEXT),
        ),
    ),
)


def _complete(event: Event, source: Source, values: Values) -> Values:
    namespace = values["namespace"] or DEFAULT_NAMESPACE
    values["namespace"] = namespace
    given = ids.canonical(values["stamp_id"] or "")
    values["stamp_id"] = given or ids.name_based("stamp", namespace, values["file_hash"])
    values["op_id"] = values["op_id"] or event.event_id
    values["correlation_id"] = values["correlation_id"] or event.correlation_id
    values["created_at"] = values["created_at"] or to_datetime(event.time_us)
    if values["stamp_data"] is None:
        found = {name: value for name in _STAMP_DATA if (value := source.find(name)[1]) is not None}
        values["stamp_data"] = orjson.dumps(found).decode()
    return values


ROUTE = Route(
    METADATA_STAMPS,
    frozenset({"metadata.stamped", "metadata.stamp.created", "metadata_stamp_created", "stamp_created"}),
    "metadata_stamp_data",
    _complete,
)
