from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
import pytest

from bridge_app.events.envelope import Event, Identity, encode

TOPIC = "hooks.service_lifecycle"


class FakeRecord(NamedTuple):
    """A record as aiokafka hands it out."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@pytest.fixture
def identity() -> Identity:
    return Identity("omninode-bridge", "0.1.0", "w1", "omninode-bridge-w1", "test")


@pytest.fixture
def make_event() -> Callable[..., Event]:
    def make(**fields: Any) -> Event:
        defaults: dict[str, Any] = {
            "event_id": "00000000-0000-4000-8000-000000000001",
            "event_type": "service.lifecycle.started",
            "time_us": 1_700_000_000_000_001,
            "correlation_id": "test-correlation-123",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "partition_key": "orders",
            "payload": {"service": "orders"},
        }
        return Event(**{**defaults, "source": {"service_name": "s"}, "source_node_id": "n", **fields})

    return make


@pytest.fixture
def make_record(make_event: Callable[..., Event]) -> Callable[..., FakeRecord]:
    """Return a function that makes the record of an event; `value` as bytes or as JSON stands in for the event's."""

    def make(
        *,
        topic: str = TOPIC,
        partition: int = 0,
        offset: int = 0,
        key: bytes | None = b"orders",
        timestamp: int = 1_700_000_000_000,
        headers: tuple[tuple[str, bytes], ...] = (),
        **fields: Any,
    ) -> FakeRecord:
        if "value" in fields:
            value = fields["value"]
            value = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
        else:
            value = encode(topic, make_event(**fields)).value
        return FakeRecord(topic, partition, offset, timestamp, key, value, headers)

    return make
