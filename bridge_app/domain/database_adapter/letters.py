"""A bad record becomes its dead letter, and a dead letter becomes a row (database-adapter §6, hooks §10)."""

from base64 import b64encode
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from bridge_app import ids
from bridge_app.domain.database_adapter.records import Entry
from bridge_app.domain.database_adapter.rows import LetterRow
from bridge_app.errors import PoisonRecord
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Event, Identity, encode, text_headers
from bridge_app.events.record import Record
from bridge_app.json_values import leaves, too_deep
from bridge_app.timestamps import END_US, format_us, parse_us, to_datetime

AGENT = "database_adapter"
EVENT_TYPE = "dlq.message"
REPLAYED_HEADER = "x-dlq-replayed"
MESSAGE_LENGTH = 2000
#: Less than `decode` reads: the event stands two levels deep in its letter.
EVENT_LEVELS = 90

MIB = 1024 * 1024
#: What a record of a `.dlq` topic may weigh, less some room for its key and headers.
LARGEST_VALUE = 4 * MIB - 64 * 1024
CUT_VALUE = 3 * MIB


class Letter(NamedTuple):
    """A record ready to be sent to a `.dlq` topic; `source` is the topic of the failed record, `key` is its key."""

    topic: str
    source: str
    key: bytes | None
    value: bytes
    timestamp_ms: int
    headers: list[tuple[str, bytes]]


class Failure(NamedTuple):
    """Why a record is dead-lettered, when (microseconds since the epoch), after how many tries and by which agent."""

    error: PoisonRecord
    failed_at_us: int
    retry_count: int = 0
    agent: str = AGENT


def dead_letter(record: Record, failure: Failure, identity: Identity, suffix: str) -> Letter:
    """Return the dead letter of a record; the same record always gives the same event id."""
    event = _envelope(record, failure, identity)
    outgoing = encode(record.topic + suffix, event)
    if len(outgoing.value) > LARGEST_VALUE:
        outgoing = encode(record.topic + suffix, _cut(event))
    headers = [
        *outgoing.headers,
        ("original_topic", record.topic.encode()),
        ("original_partition", str(record.partition).encode()),
        ("original_offset", str(record.offset).encode()),
        ("error_type", failure.error.error_type.encode()),
        *((name, value) for name, value in record.headers if name == REPLAYED_HEADER),
    ]
    return Letter(outgoing.topic, record.topic, record.key, outgoing.value, outgoing.timestamp_ms, headers)


def letter_payload(record: Record, failure: Failure) -> dict[str, Any]:
    """Return the payload of a record's dead letter, every field of §6.

    It holds no U+0000 itself, else neither Postgres nor any agent would take it: a message with it is kept in base64,
    an event with it not at all, in other text U+FFFD stands for it. Key and headers that their text does not give back
    byte by byte are kept in base64 as well, so that a replay publishes what failed.
    """
    message = _text(record.value)
    if message is not None and "\0" in message:
        message = None
    payload = {
        "original_topic": record.topic,
        "original_partition": record.partition,
        "original_offset": record.offset,
        "original_timestamp": format_us(_time_us(record)),
        "original_key": _text(record.key),
        "original_key_base64": None if _is_plain(record.key) else _base64(record.key or b""),
        "original_headers": dict(text_headers(record.headers)),
        "original_headers_base64": {
            name: _base64(value or b"") for name, value in record.headers if not _is_plain(value)
        },
        "original_message": message,
        "original_message_base64": None if message is not None or record.value is None else _base64(record.value),
        "original_event": _object(record.value),
        "error_type": failure.error.error_type,
        "error_message": failure.error.message[:MESSAGE_LENGTH],
        "error_context": failure.error.context,
        "agent": failure.agent,
        "failed_at": format_us(failure.failed_at_us),
        "retry_count": failure.retry_count,
    }
    return {name: _without_nul(value) for name, value in payload.items()}


def read_letter(record: Record, suffix: str) -> Entry:
    """Return the row of a record of a dead-letter topic.

    What is no dead letter there is stored as if it were its own: nothing is lost, and nothing goes round in a circle.
    """
    try:
        event = decode(record)
        return Entry(record, letter=_letter_row(record, event.event_id, event.payload))
    except (PoisonRecord, KeyError, TypeError, ValueError) as error:
        poison = error if isinstance(error, PoisonRecord) else PoisonRecord("INVALID_PAYLOAD", str(error))
    payload = letter_payload(record, Failure(poison, _time_us(record)))
    payload["original_topic"] = record.topic.removesuffix(suffix)
    event_id = ids.from_position(record.topic, record.partition, record.offset, record.timestamp)
    return Entry(record, letter=_letter_row(record, event_id, payload))


def _envelope(record: Record, failure: Failure, identity: Identity) -> Event:
    event_id = ids.dead_letter(record.topic, record.partition, record.offset, record.timestamp)
    cause = _cause(record)
    return Event(
        event_id=event_id,
        event_type=EVENT_TYPE,
        time_us=_time_us(record),
        correlation_id=_without_nul(cause.correlation_id) if cause else event_id,
        causation_id=cause.event_id if cause else None,
        trace_id=cause.trace_id if cause else event_id.replace("-", ""),
        environment=identity.environment,
        partition_key=_without_nul(_text(record.key) or ""),
        source=identity.as_source(),
        source_node_id=identity.node_id,
        payload=letter_payload(record, failure),
    )


def _cause(record: Record) -> Event | None:
    try:
        return decode(record)
    except PoisonRecord:
        return None


def _cut(event: Event) -> Event:
    payload = {**event.payload, "original_event": None}
    payload["error_context"] = {**payload["error_context"], "truncated": True}
    size = CUT_VALUE
    while True:
        for name in ("original_message", "original_message_base64"):
            if payload[name] is not None:
                payload[name] = payload[name].encode()[:size].decode(errors="ignore")
        # Escapes may make the JSON text longer than the text itself.
        if len(orjson.dumps(payload)) <= CUT_VALUE + MIB // 2:
            event.payload = payload
            return event
        size //= 2


def _letter_row(record: Record, event_id: str, letter: dict[str, Any]) -> LetterRow:
    return LetterRow(
        event_id=event_id,
        dlq_topic=record.topic,
        dlq_partition=record.partition,
        dlq_offset=record.offset,
        original_topic=str(letter["original_topic"]),
        original_partition=int(letter["original_partition"]),
        original_offset=int(letter["original_offset"]),
        original_timestamp=_moment(letter.get("original_timestamp")),
        original_key=_optional(letter.get("original_key")),
        error_type=str(letter["error_type"]),
        error_message=_optional(letter.get("error_message")),
        agent=_optional(letter.get("agent")),
        failed_at=_moment(letter.get("failed_at")) or to_datetime(_time_us(record)),
        letter=orjson.dumps(letter).decode(),
    )


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(item) for name, item in value.items()}
    return value


def _time_us(record: Record) -> int:
    """Return the record's time, or the nearest one that can be written down."""
    return min(max(record.timestamp, 0) * 1000, END_US - 1000)


def _optional(value: Any) -> str | None:
    return None if value is None else str(value)


def _moment(text: Any) -> datetime | None:
    return None if text is None else to_datetime(parse_us(text))


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _is_plain(value: bytes | None) -> bool:
    """Tell whether a letter has these bytes as text, unaltered."""
    return value is None or (b"\0" not in value and _text(value) is not None)


def _object(value: bytes | None) -> dict[str, Any] | None:
    """Return the object that a value is, None when it is none or could not be read as a part of a letter."""
    try:
        found = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or too_deep(value or b"", found, EVENT_LEVELS):
        return None
    return None if any(isinstance(leaf, str) and "\0" in leaf for _place, leaf in leaves(found)) else found


def _base64(value: bytes) -> str:
    return b64encode(value).decode()
