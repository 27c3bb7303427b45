"""The envelope every event travels in (conventions §1).

`Event` is the form inside the process. `encode` makes the JSON value of a record, `events/decoding.py` reads the values
of any producer. `derive` makes an event out of its cause: same cause, same event, on every worker and in every replay.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from bridge_app import ids
from bridge_app.timestamps import format_us

VERSION = "1.0"


class Position(NamedTuple):
    """Where a record stands in Kafka; `timestamp_ms` is the record's own time."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class Identity(NamedTuple):
    """Which worker emits."""

    service_name: str
    service_version: str
    instance_id: str
    node_id: str
    environment: str

    def as_source(self) -> dict[str, Any]:
        return {
            "service_name": self.service_name,
            "service_version": self.service_version,
            "instance_id": self.instance_id,
        }


class Event(msgspec.Struct, kw_only=True):
    """One event; `time_us` is its time in microseconds since the epoch, `position` where it was read from."""

    event_id: str
    event_type: str
    time_us: int
    correlation_id: str
    trace_id: str
    partition_key: str
    payload: dict[str, Any]
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    causation_id: str | None = None
    environment: str = ""
    source: dict[str, Any] = msgspec.field(default_factory=dict)
    source_node_id: str | None = None
    event_version: str = VERSION
    position: Position | None = None

    @property
    def normal_type(self) -> str:
        """The event type as it is compared: lower case, `-` read as `_`."""
        return self.event_type.lower().replace("-", "_")


class Cause(msgspec.Struct, array_like=True, frozen=True):
    """What a derived event inherits from its cause; small enough to be kept in state for events that fire later."""

    event_id: str
    time_us: int
    correlation_id: str
    trace_id: str

    @classmethod
    def of(cls, event: Event) -> "Cause":
        return cls(event.event_id, event.time_us, event.correlation_id, event.trace_id)


class Derived(msgspec.Struct, kw_only=True, frozen=True):
    """An event that a pure step derives. `topic` is a catalogue name, without the deployment's prefix.

    The id is made of the cause's id, the type with `:<subject>` where subjects differ, and the ordinal. `time_us` is
    given only by events that fire because time passed: their deadline. A tombstone is sent without value: a compacted
    topic forgets its key.
    """

    topic: str
    event_type: str
    key: str
    payload: dict[str, Any]
    cause: Cause
    subject: str = ""
    ordinal: int = 0
    time_us: int | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    is_tombstone: bool = False


class Outgoing(NamedTuple):
    """A Kafka record ready to be sent; `topic` is a catalogue name, headers are pairs of text and bytes."""

    topic: str
    key: bytes
    value: bytes
    timestamp_ms: int
    headers: list[tuple[str, bytes]]


def derive(derived: Derived, identity: Identity) -> Event:
    """Return the full event for what a step derived; equal input gives an equal event."""
    cause = derived.cause
    kind = f"{derived.event_type}:{derived.subject}" if derived.subject else derived.event_type
    return Event(
        event_id=ids.derived(cause.event_id, kind, derived.ordinal),
        event_type=derived.event_type,
        time_us=cause.time_us if derived.time_us is None else derived.time_us,
        correlation_id=cause.correlation_id,
        causation_id=cause.event_id,
        trace_id=cause.trace_id,
        environment=identity.environment,
        partition_key=derived.key,
        source=identity.as_source(),
        source_node_id=identity.node_id,
        payload=derived.payload,
        metadata=derived.metadata,
    )


def encode(topic: str, event: Event) -> Outgoing:
    """Return the record of an event: JSON value, key and headers as conventions §1 has them."""
    time = format_us(event.time_us)
    value = orjson.dumps(
        {
            "event_id": event.event_id,
            "event_type": event.event_type,
            "envelope_version": VERSION,
            "event_version": event.event_version,
            "version": event.event_version,
            "event_timestamp": time,
            "timestamp": time,
            "source": event.source,
            "source_node_id": event.source_node_id,
            "correlation_id": event.correlation_id,
            "causation_id": event.causation_id,
            "trace_id": event.trace_id,
            "environment": event.environment,
            "partition_key": event.partition_key,
            "payload": event.payload,
            "metadata": event.metadata,
        }
    )
    return Outgoing(topic, event.partition_key.encode(), value, event.time_us // 1000, headers(event))


def headers(event: Event) -> list[tuple[str, bytes]]:
    """Return the record headers of an event; the parent id of `traceparent` is the start of the event id."""
    parent = event.event_id.replace("-", "")[:16]
    return [
        ("event_id", event.event_id.encode()),
        ("event_type", event.event_type.encode()),
        ("correlation_id", event.correlation_id.encode()),
        ("traceparent", f"00-{event.trace_id}-{parent}-01".encode()),
        ("content-type", b"application/json"),
    ]


def text_headers(headers: Sequence[tuple[str, bytes | None]]) -> Mapping[str, str]:
    """Return headers as text, the last of equal names; what is not UTF-8 is left out."""
    found: dict[str, str] = {}
    for name, value in headers:
        try:
            found[name] = (value or b"").decode()
        except UnicodeDecodeError:
            continue
    return found
