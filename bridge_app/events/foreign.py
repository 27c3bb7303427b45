"""The envelopes of other producers: BaseEvent, OnexEnvelopeV1, CloudEvents, Standard Webhooks, flat objects.

`read_foreign` follows the table of conventions §1. It is deterministic: a record that brings no id, time, correlation
or trace gets them from its position, so every reader and every replay sees the same event.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bridge_app import ids
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import VERSION, Event, Position
from bridge_app.events.trace import is_trace_id, trace_id_of
from bridge_app.timestamps import END_US, number_us, parse_us

# fmt: off
_ENVELOPE = frozenset({
    "event_id", "event_type", "envelope_version", "event_version", "version", "event_timestamp", "timestamp",
    "source", "source_node_id", "source_node", "source_service", "source_version", "source_instance",
    "correlation_id", "causation_id", "trace_id", "environment", "partition_key", "payload", "metadata",
})
# fmt: on
_SOURCE = frozenset({"source", "source_service", "source_version", "source_instance"})
_CLOUD_EVENT = frozenset({"id", "type", "time", "data", "specversion", "datacontenttype", "dataschema"})

#: The types of JSON's numbers; true and false are none.
_NUMBERS = (int, float)


def read_foreign(value: Any, headers: Mapping[str, str], position: Position, key: bytes | None) -> Event:
    """Return the event of a decoded record value.

    Raises:
        PoisonRecord: not an object, no event type, or a payload that is null.
    """
    fields = _binary_cloud_event(value, headers) if "ce_type" in headers else _envelope_fields(value)
    event_type = fields.get("event_type")
    if not isinstance(event_type, str) or not event_type:
        raise PoisonRecord("MISSING_EVENT_TYPE", "the record has no event type", {"path": "$.event_type"})
    if fields["payload"] is None:
        raise PoisonRecord("INVALID_PAYLOAD", "the payload is null", {"path": "$.payload"})
    metadata = dict(fields["metadata"]) if isinstance(fields.get("metadata"), dict) else {}
    event_id = event_id_of(_text(fields.get("event_id")) or headers.get("event_id"), position, metadata)
    return Event(
        event_id=event_id,
        event_type=event_type,
        time_us=_time_us(fields.get("event_timestamp"), position, metadata),
        correlation_id=_text(fields.get("correlation_id")) or header_correlation(headers) or event_id,
        trace_id=_trace_id(fields.get("trace_id"), headers, event_id),
        partition_key=_text(fields.get("partition_key")) or (key or b"").decode(errors="replace"),
        payload=fields["payload"] if isinstance(fields["payload"], dict) else {"value": fields["payload"]},
        metadata=metadata,
        causation_id=_text(fields.get("causation_id")),
        environment=_text(fields.get("environment")) or "",
        source=_source(fields),
        source_node_id=_text(fields.get("source_node_id")),
        event_version=_text(fields.get("event_version")) or VERSION,
        position=position,
    )


def event_id_of(given: str | None, position: Position, metadata: dict[str, Any]) -> str:
    """Return the id of a record: the given one, one made of it where it is no UUID, or of the position without any.

    A text that is no UUID is kept in `metadata`.
    """
    if not given:
        return ids.from_position(*position)
    canonical = ids.canonical(given)
    if canonical is None:
        metadata["original_event_id"] = given
        return ids.from_text(given)
    return canonical


def header_correlation(headers: Mapping[str, str]) -> str | None:
    """Return the correlation that the headers name."""
    return headers.get("correlation_id") or None


def header_trace(headers: Mapping[str, str], event_id: str) -> str:
    """Return the trace id of the headers, else one made of the event's id."""
    return trace_id_of(headers.get("traceparent")) or event_id.replace("-", "")


def _binary_cloud_event(value: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "event_id": headers.get("ce_id"),
        "event_type": headers["ce_type"],
        "source": headers.get("ce_source"),
        "event_timestamp": headers.get("ce_time"),
        "payload": value,
    }


def _envelope_fields(value: Any) -> dict[str, Any]:
    """Return the fields under their names in the envelope; `payload` is always among them."""
    if not isinstance(value, dict):
        raise PoisonRecord("NOT_AN_OBJECT", "the value is not a JSON object", {"path": "$"})
    fields = {name: item for name, item in value.items() if name in _ENVELOPE and item is not None}
    structured = "event_type" not in fields and isinstance(value.get("type"), str)
    wrapped = "payload" in value or "data" in value
    if structured or wrapped:
        # In a flat object `id` and `time` belong to what it tells of: two events about one thing are two events.
        _take(fields, "event_id", value.get("id"))
        _take(fields, "event_timestamp", value.get("time"))
    _take(fields, "event_type", value.get("type"))
    _take(fields, "event_timestamp", value.get("timestamp"))
    _take(fields, "event_version", value.get("version"))
    _take(fields, "source_node_id", value.get("source_node"))
    if wrapped:
        fields["payload"] = value["payload"] if "payload" in value else value["data"]
    else:
        known = _ENVELOPE | _CLOUD_EVENT if structured else _ENVELOPE
        fields["payload"] = {name: item for name, item in value.items() if name not in known}
    return fields


def _take(fields: dict[str, Any], name: str, item: Any) -> None:
    if item is not None:
        fields.setdefault(name, item)


def _time_us(given: Any, position: Position, metadata: dict[str, Any]) -> int:
    """Return microseconds since the epoch; a time that cannot be one is kept in the metadata."""
    time_us = None
    with suppress(ValueError):
        if isinstance(given, str):
            time_us = parse_us(given)
        elif type(given) in _NUMBERS:
            time_us = number_us(given)
    if time_us is not None and 0 <= time_us < END_US:
        return time_us
    if given is not None:
        metadata["original_timestamp"] = given
    return max(position.timestamp_ms, 0) * 1000


def _trace_id(given: Any, headers: Mapping[str, str], event_id: str) -> str:
    text = given.lower() if isinstance(given, str) else ""
    return text if is_trace_id(text) else header_trace(headers, event_id)


def _source(fields: Mapping[str, Any]) -> dict[str, Any]:
    if fields.keys().isdisjoint(_SOURCE):
        return {}
    source = fields.get("source")
    if isinstance(source, dict):
        return source
    named = {
        "service_name": _text(source) or _text(fields.get("source_service")),
        "service_version": _text(fields.get("source_version")),
        "instance_id": _text(fields.get("source_instance")),
    }
    return {name: text for name, text in named.items() if text}


def _text(item: Any) -> str | None:
    """Return text as it is and a number as its text; None for anything else and for the empty text."""
    if item is None:
        return None
    if type(item) is str:
        return item or None
    return str(item) if type(item) in _NUMBERS else None
