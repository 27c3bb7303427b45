"""A Kafka record becomes rows, or is found bad (database-adapter §2 step 1, §3, §4)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from bridge_app import ids
from bridge_app.domain.database_adapter.mapping import Unmappable
from bridge_app.domain.database_adapter.omission import shortened
from bridge_app.domain.database_adapter.routing import UNLOGGED, routed_rows
from bridge_app.domain.database_adapter.rows import EventRow, LetterRow
from bridge_app.domain.database_adapter.tables import RoutedRow
from bridge_app.domain.database_adapter.values import milliseconds, plain_text
from bridge_app.errors import PoisonRecord
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Event
from bridge_app.events.record import Record
from bridge_app.timestamps import to_datetime

UNTYPED = "unknown"
#: What the row of an event has in its metadata beside those of the event.
ADDITIONS = ("source", "event_class")

_FAILURES = ("failed", "rejected", "error")
_REQUEST_TOPICS = (".requests", ".commands", "registry-request-introspection.v1")


class Entry(NamedTuple):
    """One record and the rows it leaves: an event and what it is routed to, or, on a dead-letter topic, a letter."""

    record: Record
    event: EventRow | None = None
    routed: Sequence[RoutedRow] = ()
    letter: LetterRow | None = None


def read_event(record: Record) -> Entry:
    """Return the rows of an event.

    Raises:
        PoisonRecord: it is no event, or holds a value that Postgres does not take.
    """
    return _entry(record, decode(record))


def read_untyped_event(record: Record) -> Entry:
    """Return the rows of an event whose producer need not give a type: without one it is stored as `unknown`.

    Raises:
        PoisonRecord: as `read_event`.
    """
    try:
        return read_event(record)
    except PoisonRecord as error:
        content = _object(record) if error.error_type == "MISSING_EVENT_TYPE" else None
        if content is None:
            raise
    return _entry(record, decode(_Rewritten(record, {**content, "event_type": UNTYPED})))


class _Rewritten:
    """A record as if its producer had written another value."""

    def __init__(self, record: Record, value: dict[str, Any]) -> None:
        self.topic = record.topic
        self.partition = record.partition
        self.offset = record.offset
        self.timestamp = record.timestamp
        self.key = record.key
        self.value = orjson.dumps(value)
        self.headers = record.headers


def _object(record: Record) -> dict[str, Any] | None:
    content = orjson.loads(record.value or b"null")
    if isinstance(content, str):
        content = orjson.loads(content)
    return content if isinstance(content, dict) else None


def _entry(record: Record, event: Event) -> Entry:
    if event.normal_type in UNLOGGED:
        return Entry(record)
    additions: dict[str, Any] = {
        "source": "database_adapter",
        "event_class": event_class(record.topic, event.event_type),
    }
    routed = _routed(event, additions)
    return Entry(record, event_row(record, event, additions), routed)


def _routed(event: Event, additions: dict[str, Any]) -> Sequence[RoutedRow]:
    try:
        return routed_rows(event)
    except Unmappable as error:
        additions["routing_error"] = error.path
        return ()


def event_row(record: Record, event: Event, additions: dict[str, Any]) -> EventRow:
    """Return the event_logs row; `additions` go on top of the envelope's metadata.

    Raises:
        PoisonRecord: a value that Postgres does not take.
    """
    payload = event.payload
    return EventRow(
        event_id=event.event_id,
        session_id=_session_id(payload.get("session_id"), event.correlation_id),
        correlation_id=plain_text(event.correlation_id, "$.correlation_id"),
        causation_id=ids.canonical(event.causation_id) if event.causation_id else None,
        event_type=plain_text(event.event_type, "$.event_type"),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        event_key=key_text(record.key),
        timestamp=to_datetime(event.time_us),
        kafka_timestamp=to_datetime(record.timestamp * 1000),
        processing_time_ms=milliseconds(payload.get("processing_time_ms")),
        payload=orjson.dumps(shortened(record, payload)).decode(),
        metadata=orjson.dumps({**event.metadata, **additions}).decode(),
    )


@lru_cache(maxsize=4096)
def event_class(topic: str, event_type: str) -> str:
    """Return `error`, `request`, `response` or `status` (hooks §8)."""
    normal = event_type.lower().replace("-", "_")
    if normal.startswith("error.") or normal.endswith(_FAILURES):
        return "error"
    if topic.endswith(_REQUEST_TOPICS):
        return "request"
    return "response" if normal.endswith("completed") else "status"


def key_text(key: bytes | None) -> str | None:
    """Return a record's key as text, None when it has none or it is not UTF-8.

    Raises:
        PoisonRecord: it holds U+0000.
    """
    if key is None:
        return None
    try:
        return plain_text(key.decode(), "key")
    except UnicodeDecodeError:
        return None


def _session_id(given: Any, correlation_id: str) -> str:
    return (ids.canonical(given) if isinstance(given, str) else None) or ids.session(correlation_id)
