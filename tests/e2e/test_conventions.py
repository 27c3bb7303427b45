"""What all parts share, as a user of the running bridge sees it (conventions, Acceptance)."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from tests.e2e.bridge import Bridge, lifecycle
from tests.e2e.producing import produce_all, rows_of

ENVELOPE = {
    "event_id", "event_type", "envelope_version", "event_version", "version", "event_timestamp", "timestamp", "source",
    "source_node_id", "correlation_id", "causation_id", "trace_id", "environment", "partition_key", "payload",
    "metadata",
}  # fmt: skip
PAYLOAD = {"namespace": "n", "count": 3}


async def test_conventions_01_health_is_healthy_once_started(bridge: Bridge) -> None:
    async def healthy() -> bool:
        status, answer = await bridge.get("/health")
        assert status == 200
        return bool(answer["data"]["status"] == "healthy")

    await bridge.eventually(healthy, within=120)


async def test_conventions_04_events_have_every_field_of_the_envelope(bridge: Bridge) -> None:
    async with bridge.tail("hooks.service_lifecycle", "intelligence.patterns") as events:
        await bridge.post("/hooks/service/lifecycle", lifecycle("envelope-service", instance_id="envelope-1"))
        found = await events.until(lambda seen: len(list(_about(seen, "envelope-service"))) >= 2, within=15)

    for event in _about(found, "envelope-service"):
        assert set(event) == ENVELOPE
        assert {event["envelope_version"], event["event_version"], event["version"]} == {"1.0"}
        assert event["event_timestamp"] == event["timestamp"]
        assert event["timestamp"][-8:-1].startswith(".")
        assert event["timestamp"].endswith("Z")
        assert UUID(event["event_id"])
        assert set(event["source"]) == {"service_name", "service_version", "instance_id"}
        assert event["environment"] == "e2e"
        assert len(event["trace_id"]) == 32
        assert isinstance(event["payload"], dict)
        assert isinstance(event["metadata"], dict)


def _forms(correlation_id: str) -> dict[str, Any]:
    """Return the same content as every envelope that the bridge reads, each with an id of its own."""
    common = {"correlation_id": correlation_id}
    event_type, time = "proxy.request.completed", "2024-01-15T10:30:00.5Z"
    envelope = {"event_id": str(uuid4()), "event_type": event_type, "event_timestamp": time, "payload": PAYLOAD}
    return {
        "envelope": {**envelope, **common},
        "BaseEvent": {
            "event_id": str(uuid4()), "event_type": event_type, "timestamp": time, "version": "1.0",
            "source_service": "s", "source_version": "1", "source_instance": "i", **common, **PAYLOAD,
        },
        "OnexEnvelopeV1": {
            "envelope_version": "1.0", "event_id": str(uuid4()), "event_type": event_type, "source_node_id": "n",
            "timestamp": time, "payload": PAYLOAD, **common,
        },
        "CloudEvent": {
            "specversion": "1.0", "id": str(uuid4()), "type": event_type, "source": "/s", "time": time,
            "datacontenttype": "application/json", "data": PAYLOAD, **common,
        },
        "string-in-JSON": orjson.dumps({**envelope, "event_id": str(uuid4()), **common}).decode(),
    }  # fmt: skip


async def test_conventions_12_the_same_content_in_five_envelopes_gives_five_equal_rows(bridge: Bridge) -> None:
    correlation_id = f"five-{uuid4().hex[:8]}"
    values = [orjson.dumps(form) for form in _forms(correlation_id).values()]
    positions = await produce_all(bridge, "proxy.requests", [(b"k", value) for value in values])
    rows = await bridge.eventually(lambda: rows_of(bridge, "proxy.requests", positions), within=15)

    assert {row["event_type"] for row in rows} == {"proxy.request.completed"}
    assert {row["correlation_id"] for row in rows} == {correlation_id}
    assert [orjson.loads(row["payload"]) for row in rows] == [PAYLOAD] * 5
    assert {row["timestamp"].isoformat() for row in rows} == {"2024-01-15T10:30:00.500000+00:00"}


async def test_conventions_13_what_cannot_be_read_is_two_dead_letters_and_the_event_behind_is_stored(
    bridge: Bridge,
) -> None:
    good = orjson.dumps({"event_type": "tool.execution.note", "payload": {"k": 1}})
    async with bridge.tail("hooks.tool_execution.dlq") as letters:
        positions = await produce_all(
            bridge, "hooks.tool_execution", [(b"t13", None), (b"t13", b'{"a": "\xff"}'), (b"t13", good)]
        )
        found = await letters.until(lambda seen: len(_from(seen, positions)) >= 2, within=15)
    mine = _from(found, positions)

    assert [letter["payload"]["error_type"] for letter in mine] == ["NULL_VALUE", "INVALID_UTF8"]
    (row,) = await bridge.eventually(lambda: rows_of(bridge, "hooks.tool_execution", positions[2:]), within=15)
    assert row["event_type"] == "tool.execution.note"
    assert len(_from(letters.seen, positions)) == 2


@pytest.mark.parametrize("event_type", ["SERVICE.LIFECYCLE.STARTED", "service.lifecycle.Started"])
async def test_conventions_12_types_of_other_producers_are_handled_alike(bridge: Bridge, event_type: str) -> None:
    service = f"alike-{uuid4().hex[:8]}"
    payload = lifecycle(service, instance_id="alike-1")["service_info"]
    event = {"event_type": event_type, "payload": {"service_info": payload}}
    async with bridge.tail("intelligence.patterns") as patterns:
        await produce_all(bridge, "hooks.service_lifecycle", [(service.encode(), orjson.dumps(event))])
        await patterns.first(lambda found: service in found["payload"]["pattern_info"]["affected_services"], within=15)


def _about(events: Iterable[tuple[str, dict[str, Any]]], service: str) -> Iterable[dict[str, Any]]:
    return (event for _, event in events if service in str(event["payload"]))


def _from(events: Iterable[tuple[str, dict[str, Any]]], positions: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Return the dead letters of some records, by their offsets."""
    letters = [
        event
        for _, event in events
        if (event["payload"]["original_partition"], event["payload"]["original_offset"]) in positions
    ]
    return sorted(letters, key=lambda letter: letter["payload"]["original_offset"])
