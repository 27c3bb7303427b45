"""What other producers put on the topics of hooks."""

from typing import Any

import orjson

from tests.e2e.bridge import Bridge, lifecycle
from tests.e2e.producing import Position, letter_of, produce_all, rows_of

TOPIC = "hooks.service_lifecycle"


async def produce(bridge: Bridge, key: bytes | None, value: bytes) -> Position:
    (position,) = await produce_all(bridge, TOPIC, [(key, value)])
    return position


async def row_at(bridge: Bridge, position: Position) -> Any:
    rows = await rows_of(bridge, TOPIC, [position])
    return rows and rows[0]


async def test_hooks_18_a_bare_hook_is_read_as_the_hook_it_is(bridge: Bridge) -> None:
    body = orjson.dumps(lifecycle("bare-hook", instance_id="bare-1", startup_time_ms=700))
    async with bridge.tail("intelligence.patterns") as patterns:
        position = await produce(bridge, b"bare-hook", body)
        pattern = await patterns.first(
            lambda event: "bare-hook" in event["payload"]["pattern_info"]["affected_services"], within=15
        )
    row = await bridge.eventually(lambda: row_at(bridge, position), within=10)
    assert row["event_type"] == "service.lifecycle.started"
    assert pattern["causation_id"] == str(row["event_id"])


async def test_hooks_18_a_bare_hook_that_is_invalid_is_one_dead_letter_with_its_origin(bridge: Bridge) -> None:
    position = await produce(bridge, b"k", b'{"hook_type": "service_started", "service_info": {"name": "x"}}')
    letter = await bridge.eventually(lambda: letter_of(bridge, TOPIC, position), within=10)
    assert (letter["error_type"], letter["agent"]) == ("INVALID_PAYLOAD", "database_adapter")
    assert letter["status"] == "pending"


async def test_a_key_that_is_not_utf_8_harms_nobody(bridge: Bridge) -> None:
    position = await produce(bridge, b"\xff\xfe", b'{"event_type": "my.custom", "payload": {"k": 1}}')
    behind = await produce(bridge, b"\xff\xfe", b"{")
    row = await bridge.eventually(lambda: row_at(bridge, position), within=10)
    assert row["event_key"] is None

    await bridge.eventually(lambda: letter_of(bridge, TOPIC, behind), within=10)
    assert await letter_of(bridge, TOPIC, position) is None


async def test_a_lifecycle_event_whose_payload_only_its_domain_refuses_is_stored_and_dead_lettered_by_it(
    bridge: Bridge,
) -> None:
    position = await produce(bridge, b"k", b'{"event_type": "service.lifecycle.started", "payload": {"x": 1}}')
    letter = await bridge.eventually(lambda: letter_of(bridge, TOPIC, position), within=10)
    assert (letter["error_type"], letter["agent"]) == ("INVALID_PAYLOAD", "intelligence_observe")
    assert await bridge.eventually(lambda: row_at(bridge, position), within=10)
