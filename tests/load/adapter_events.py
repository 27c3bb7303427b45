"""What the contestants for rows read: numbered events of about 250 bytes, and the same events as ready rows.

A number makes the same event in both forms. The rows are for Kafka Connect: its JDBC sink takes flat records with a
schema, so each is a JSON object with the names of the columns, its payload as text. The schema is given to Connect's
converter once, not sent with every record.
"""

import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import orjson

KEYS = 1000

Record: TypeAlias = tuple[bytes, bytes]
"""Key and value."""


def event_id(number: int) -> str:
    return str(uuid.UUID(int=number))


def event(number: int) -> Record:
    """Return the event as producers send it."""
    common = {name: value for name, value in _columns(number).items() if name not in ("session_id", "event_key")}
    return _key(number), orjson.dumps({**common, "payload": _payload(number)})


def row(number: int) -> Record:
    """Return the event as a row of `event_logs`, but for the columns that say where the record is."""
    return _key(number), orjson.dumps({**_columns(number), "payload": orjson.dumps(_payload(number)).decode()})


def records(make: Callable[[int], Record], start: int, stop: int) -> Iterator[Record]:
    return map(make, range(start, stop))


def row_schema() -> dict[str, Any]:
    """Return the schema of a row's value in the words of Connect's JsonConverter; the named types are Debezium's."""
    names = {
        "event_id": "io.debezium.data.Uuid",
        "session_id": "io.debezium.data.Uuid",
        "timestamp": "io.debezium.time.ZonedTimestamp",
        "payload": "io.debezium.data.Json",
    }
    fields = [
        {"field": field, "type": "string", "optional": False, **({"name": names[field]} if field in names else {})}
        for field in (*_columns(0), "payload")
    ]
    return {"type": "struct", "optional": False, "fields": fields}


def _columns(number: int) -> dict[str, str]:
    return {
        "event_id": event_id(number),
        "event_type": "bench.row",
        "timestamp": f"2026-01-15T10:30:{number % 60:02d}.{number % 1_000_000:06d}Z",
        "correlation_id": f"c-{number}",
        "session_id": event_id(number),
        "event_key": _key(number).decode(),
    }


def _payload(number: int) -> dict[str, Any]:
    return {"session_id": event_id(number), "number": number, "status": "success"}


def _key(number: int) -> bytes:
    return f"key-{number % KEYS}".encode()
