"""Read the records of any producer as events (conventions §1).

What the bridge itself writes is read on a short path: it runs for every record of every agent. Everything else takes
the tolerant path of `events/foreign.py`; a bare hook body on a topic of hooks is read as the hook it is.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from bridge_app.domain.hooks import ROUTES, Arrival, HookRoute, accept
from bridge_app.errors import PoisonRecord, ValidationError
from bridge_app.events.envelope import Event, Position, text_headers
from bridge_app.events.foreign import event_id_of, header_correlation, header_trace, read_foreign
from bridge_app.events.record import Record
from bridge_app.events.trace import is_trace_id
from bridge_app.json_values import leaves, refuse_constant, show, too_deep
from bridge_app.timestamps import END_US

#: Deeper records are set aside: the writer of JSON stops at 254 levels, and dead letters add some.
RECORD_LEVELS = 100

_is_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CANONICAL_TIME = len("2024-01-15T10:30:00.500000Z")


def decode(record: Record) -> Event:
    """Return the event of a record; the same record gives the same event, whoever reads it.

    `environment`, `source` and `source_node_id` are empty where the producer did not name them.

    Raises:
        PoisonRecord: null, not UTF-8, not JSON, not an object, without event type, with a payload that is null, with a
            value no store can hold, or a bare hook body that breaks its contract.
    """
    value = record.value
    if value is None:
        raise PoisonRecord("NULL_VALUE", "the value is null")
    if record.timestamp * 1000 >= END_US:
        raise PoisonRecord("UNSUPPORTED_VALUE", "a time after the year 9999", {"path": "timestamp"})
    parsed = _parse(value)
    position = Position(record.topic, record.partition, record.offset, record.timestamp)
    headers = record.headers
    binary = _is_cloud_event(headers)
    if type(parsed) is dict and not binary:
        event = _canonical(parsed, position)
        if event is not None:
            return event
    if type(parsed) is str:
        parsed = _parse_inner(parsed, or_text=binary)
    route = _hook_route(parsed, record.topic) if not binary else None
    if route is not None:
        return _bare_hook(route, parsed, record, position)
    return read_foreign(parsed, text_headers(headers), position, record.key)


def _is_cloud_event(headers: Sequence[tuple[str, bytes]]) -> bool:
    for name, _ in headers:  # noqa: SIM110  # a generator costs a tenth of the whole decoding
        if name == "ce_type":
            return True
    return False


def _parse(value: bytes) -> Any:
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _unreadable(value, error) from error
    if too_deep(value, parsed, RECORD_LEVELS):
        raise PoisonRecord("UNSUPPORTED_VALUE", f"nested deeper than {RECORD_LEVELS} levels")
    # A search for one byte is several times faster, and most records have no backslash at all.
    if b"\\" in value and b"\\u0000" in value:
        for place, leaf in leaves(parsed):
            if type(leaf) is str and "\0" in leaf:
                raise PoisonRecord("UNSUPPORTED_VALUE", "U+0000 in text", {"path": show(place)})
    return parsed


def _parse_inner(text: str, *, or_text: bool) -> Any:
    """Read a JSON string that holds JSON, one level only; `or_text`: one that holds none stands for itself."""
    try:
        return _parse(text.encode())
    except PoisonRecord as error:
        if error.error_type != "INVALID_JSON":
            raise
        if or_text:
            return text
        raise PoisonRecord("NOT_AN_OBJECT", "the value is a JSON string that holds no JSON", {"path": "$"}) from error


def _unreadable(value: bytes, error: orjson.JSONDecodeError) -> PoisonRecord:
    """Tell what is wrong: what the standard library reads and orjson refuses is JSON with a value we cannot keep."""
    try:
        json.loads(value.decode(), parse_constant=refuse_constant)
    except UnicodeDecodeError as undecodable:
        return PoisonRecord("INVALID_UTF8", str(undecodable))
    except json.JSONDecodeError:
        return PoisonRecord("INVALID_JSON", str(error))
    except (ValueError, RecursionError):
        pass  # an integer of thousands of digits; a thousand levels
    return PoisonRecord("UNSUPPORTED_VALUE", str(error))


def _canonical(fields: dict[str, Any], position: Position) -> Event | None:
    """Return the event when the fields are just as `encode` writes them, else None."""
    try:
        event_id = fields["event_id"]
        event_type = fields["event_type"]
        time = fields["event_timestamp"]
        source = fields["source"]
        source_node_id = fields["source_node_id"]
        correlation_id = fields["correlation_id"]
        causation_id = fields["causation_id"]
        trace_id = fields["trace_id"]
        environment = fields["environment"]
        partition_key = fields["partition_key"]
        payload = fields["payload"]
        metadata = fields["metadata"]
        event_version = fields["event_version"]
        if not (
            type(payload) is type(metadata) is type(source) is dict
            and type(event_type) is type(correlation_id) is type(environment) is type(partition_key) is str
            and type(source_node_id) is type(event_version) is str
            and event_type
            and correlation_id
            and event_version
            and partition_key
            and source_node_id
            and len(time) == _CANONICAL_TIME
            and (causation_id is None or (type(causation_id) is str and causation_id))
            and _is_uuid(event_id)
            and is_trace_id(trace_id)
        ):
            return None
        age = datetime.fromisoformat(time) - _EPOCH
    except (KeyError, TypeError, ValueError):
        return None
    if age.days < 0:
        return None
    return Event(
        event_id=event_id,
        event_type=event_type,
        time_us=(age.days * 86400 + age.seconds) * 1_000_000 + age.microseconds,
        correlation_id=correlation_id,
        trace_id=trace_id,
        partition_key=partition_key,
        payload=payload,
        metadata=metadata,
        causation_id=causation_id,
        environment=environment,
        source=source,
        source_node_id=source_node_id,
        event_version=event_version,
        position=position,
    )


def _hook_route(parsed: Any, topic: str) -> HookRoute | None:
    """Return the route whose hooks a topic carries, when the value is a bare hook body."""
    if type(parsed) is not dict or parsed.get("event_type") is not None or parsed.get("hook_type") is None:
        return None
    return next((route for route in ROUTES if topic.endswith(route.topic)), None)


def _bare_hook(route: HookRoute, body: dict[str, Any], record: Record, position: Position) -> Event:
    headers = text_headers(record.headers)
    replaced: dict[str, Any] = {}
    event_id = event_id_of(headers.get("event_id"), position, replaced)
    arrival = Arrival(
        event_id=event_id,
        time_us=max(record.timestamp, 0) * 1000,
        trace_id=header_trace(headers, event_id),
        correlation_id=header_correlation(headers),
        own_correlation_id=event_id,
        identity=None,
    )
    try:
        event = accept(route, body, arrival)
    except ValidationError as error:
        raise PoisonRecord("INVALID_PAYLOAD", error.message, {"path": error.errors[0].path}) from error
    event.position = position
    event.metadata.update(replaced)
    return event
