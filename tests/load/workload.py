"""The work that every contestant does: about 350 bytes of JSON in, a count and a sum per key kept."""

import uuid
from collections.abc import Iterator

import msgspec

#: Enough for the fastest contestant to run for a second or two.
EVENTS = 300_000
PARTITIONS = 8


class Payload(msgspec.Struct):
    """The content of an event."""

    tool_name: str
    execution_id: str
    status: str
    duration_ms: int


class ToolExecution(msgspec.Struct):
    """An event as producers send it."""

    event_id: str
    event_type: str
    timestamp: str
    correlation_id: str
    source: str
    payload: Payload


class Total(msgspec.Struct, array_like=True):
    """What is kept per key."""

    events: int
    duration_ms: int


decode = msgspec.json.Decoder(ToolExecution).decode
encode_total = msgspec.msgpack.Encoder().encode
decode_total = msgspec.msgpack.Decoder(Total).decode


def add(total: Total | None, event: ToolExecution) -> Total:
    """Return the total with the event in it."""
    if total is None:
        return Total(1, event.payload.duration_ms)
    return Total(total.events + 1, total.duration_ms + event.payload.duration_ms)


def records(events: int, keys: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of events; the keys take turns."""
    for n in range(events):
        tool = f"tool-{n % keys:08d}"
        event_id = uuid.UUID(int=n)
        event = ToolExecution(
            event_id=str(event_id),
            event_type="tool.execution.completed",
            timestamp=f"2026-01-15T10:30:{n % 60:02d}.{n % 1_000_000:06d}Z",
            correlation_id=f"correlation-{event_id}",
            source="load",
            payload=Payload(tool, f"exec_{event_id}", "success", n % 1000),
        )
        yield tool.encode(), msgspec.json.encode(event)
