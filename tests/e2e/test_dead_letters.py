"""The dead letters of a running worker: listed, looked at, replayed, discarded (hooks §10)."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import orjson
import pytest

from bridge_app import ids
from bridge_app.domain.dead_letters import STATUSES
from tests.e2e.bridge import Bridge, lifecycle
from tests.e2e.deployment import deployment
from tests.e2e.producing import letter_of, produce_all, records_of
from tests.unit.web.documented import answer_problems

TOPIC = "hooks.service_lifecycle"
REPLAY, DISCARD = f"/dlq/{TOPIC}/replay", f"/dlq/{TOPIC}/discard"

PORT = 27076


@pytest.fixture(scope="module")
async def bridge(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """A bridge whose topics do not stop at so many dead letters."""
    async with deployment(stack, tmp_path_factory.mktemp("dlq"), PORT, KAFKA_DLQ_MAX_SHARE="1") as found:
        found.worker.start()
        await found.eventually(found.is_ready, within=30)
        yield found
        assert await found.worker.terminate() == 0, found.worker.log


async def fail(bridge: Bridge, name: str, number: int = 1) -> list[dict[str, Any]]:
    """Produce bare hooks with a bad port; return their dead letters as the list has them."""
    bad = lifecycle(name, instance_id="i", port="8000")
    await produce_all(bridge, TOPIC, [(name.encode(), orjson.dumps(bad))] * number)

    async def listed() -> list[dict[str, Any]] | None:
        status, answer = await bridge.get(f"/dlq/{TOPIC}?limit=1000&error_type=INVALID_PAYLOAD")
        assert status == 200
        mine = [one for one in answer["data"]["messages"] if one["original_key"] == name]
        return mine if len(mine) == number else None

    return await bridge.eventually(listed, within=15)


async def show(bridge: Bridge, message_id: str) -> dict[str, Any]:
    status, answer = await bridge.get(f"/dlq/messages/{message_id}")
    assert status == 200
    data: dict[str, Any] = answer["data"]
    return data


async def test_hooks_19_a_corrected_hook_is_replayed_and_stored(bridge: Bridge) -> None:
    [letter] = await fail(bridge, "dlq-corrected")
    assert (letter["status"], letter["replays"]) == ("pending", 0)
    whole = await show(bridge, letter["id"])
    assert whole["original_event"]["service_info"]["port"] == "8000"
    assert whole["letter"].items() <= {**whole, "original_timestamp": whole["letter"]["original_timestamp"]}.items()

    corrected = lifecycle("dlq-corrected", instance_id="i", port=8000)
    status, answer = await bridge.post(REPLAY, {"ids": [letter["id"]], "value": corrected})
    assert (status, answer["data"]["replayed"], answer["data"]["failed"]) == (200, 1, 0)

    timestamp_ms = await bridge.postgres.fetchval(
        "SELECT round(extract(epoch FROM original_timestamp) * 1000)::bigint FROM dead_letters "
        "WHERE event_id = $1::uuid",
        letter["event_id"],
    )
    place = letter["original_topic"], letter["original_partition"], letter["original_offset"]
    event_id = ids.from_position(*place, timestamp_ms)
    row = await bridge.eventually(
        lambda: bridge.postgres.fetchrow("SELECT payload, event_key FROM event_logs WHERE event_id = $1", event_id),
        within=15,
    )
    assert row["event_key"] == "dlq-corrected"
    after = await show(bridge, letter["id"])
    assert (after["status"], after["replays"]) == ("replayed", 1)
    assert after["resolved_at"] is not None

    status, answer = await bridge.post(REPLAY, {"ids": [letter["id"]]})
    assert (status, answer["error"]["code"]) == (409, "CONFLICT")
    status, answer = await bridge.post(REPLAY, {"ids": [letter["id"]], "value": corrected, "force": True})
    assert (status, answer["data"]["replayed"]) == (200, 1)
    assert (await show(bridge, letter["id"]))["replays"] == 2


async def test_hooks_19_the_key_is_that_of_the_record_though_it_is_no_text(bridge: Bridge) -> None:
    key, event_id = b"\xff\xfe", str(uuid4())
    event = {"event_type": "service.lifecycle.started", "event_id": event_id, "payload": {"a": 1}}
    [position] = await produce_all(bridge, TOPIC, [(key, b"{")])
    letter = await bridge.eventually(lambda: letter_of(bridge, TOPIC, position), within=15)
    letter_id = f"{TOPIC}.dlq:{letter['dlq_partition']}:{letter['dlq_offset']}"
    whole = (await show(bridge, letter_id))["letter"]
    assert (whole["original_key"], whole["original_key_base64"]) == (None, "//4=")

    assert (await bridge.post(REPLAY, {"ids": [letter_id], "value": event}))[0] == 200
    query = 'SELECT "partition" FROM event_logs WHERE event_id = $1::uuid'
    row = await bridge.eventually(lambda: bridge.postgres.fetchrow(query, event_id), within=15)
    assert row["partition"] == position[0]
    assert [record.key for record in await records_of(bridge, TOPIC, event_id)] == [key]


async def test_database_adapter_21_a_letter_is_a_row_within_a_second_with_every_field(bridge: Bridge) -> None:
    name, times = f"dlq-row-{uuid4().hex[:6]}", list[float]()
    for _ in range(5):
        [position] = await produce_all(bridge, TOPIC, [(name.encode(), b'{"a":')])
        acknowledged = time.monotonic()
        row = await bridge.eventually(functools.partial(letter_of, bridge, TOPIC, position), within=10)
        times.append(time.monotonic() - acknowledged)
    assert min(times) < 1.0  # the others may have waited for something else on this machine
    letter = orjson.loads(row["letter"])
    timestamp = row["original_timestamp"].isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert letter == {
        "original_topic": bridge.topic(TOPIC), "original_partition": position[0], "original_offset": position[1],
        "original_timestamp": timestamp, "original_key": name, "original_key_base64": None,
        "original_headers": {}, "original_headers_base64": {}, "original_message": '{"a":',
        "original_message_base64": None, "original_event": None, "error_type": "INVALID_JSON",
        "error_message": row["error_message"], "error_context": letter["error_context"], "agent": "database_adapter",
        "failed_at": row["failed_at"].isoformat(timespec="microseconds").replace("+00:00", "Z"), "retry_count": 0,
    }  # fmt: skip
    columns = ("original_topic", "original_partition", "original_offset", "original_key", "error_type", "agent")
    assert {column: row[column] for column in columns} == {column: letter[column] for column in columns}
    assert (row["dlq_topic"], row["status"], row["replays"]) == (f"{bridge.topic(TOPIC)}.dlq", "pending", 0)
    assert [row[column] for column in ("reason", "resolved_by", "resolved_at")] == [None] * 3


async def test_database_adapter_21_the_table_and_the_route_agree(bridge: Bridge) -> None:
    name = f"dlq-agree-{uuid4().hex[:6]}"
    replayed, discarded, _ = await fail(bridge, name, 3)
    assert (await bridge.post(REPLAY, {"ids": [replayed["id"]], "value": lifecycle(name, instance_id="i")}))[0] == 200
    assert (await bridge.post(DISCARD, {"ids": [discarded["id"]], "reason": "a test"}))[0] == 200
    rows = await bridge.postgres.fetch("SELECT status, count(*) FROM dead_letters GROUP BY 1")
    _, answer = await bridge.get("/dlq")
    shown = {status: sum(one[status] for one in answer["data"]["topics"]) for status in STATUSES}
    assert shown == dict.fromkeys(STATUSES, 0) | {row["status"]: row["count"] for row in rows}
    assert all(shown.values())


async def test_database_adapter_21_two_workers_replay_one_message_once(bridge: Bridge) -> None:
    event = {"event_type": "service.lifecycle.started", "payload": {"a": 1}}
    async with bridge.second_worker():
        letters = await fail(bridge, "dlq-two-workers", 10)
        for letter in letters:
            event_id = str(uuid4())
            body = {"ids": [letter["id"]], "value": {**event, "event_id": event_id}}
            answers = await asyncio.gather(*(bridge.post(REPLAY, body, port=bridge.port + n) for n in range(2)))
            assert sorted(status for status, _ in answers) == [200, 409]
            assert [answer["data"]["replayed"] for status, answer in answers if status == 200] == [1]
            assert len(await records_of(bridge, TOPIC, event_id)) == 1
            assert (await show(bridge, letter["id"]))["replays"] == 1


async def test_hooks_19_what_fails_again_is_a_new_letter_and_the_old_one_is_settled(bridge: Bridge) -> None:
    [letter] = await fail(bridge, "dlq-again")
    async with bridge.tail(TOPIC) as events:
        assert (await bridge.post(REPLAY, {"ids": [letter["id"]]}))[0] == 200
        await events.first(lambda one: one.get("service_info", {}).get("name") == "dlq-again", within=10)

    async def both() -> list[Any] | None:
        rows = await bridge.postgres.fetch(
            "SELECT status, letter->'original_headers'->>'x-dlq-replayed' AS replayed FROM dead_letters "
            "WHERE original_key = 'dlq-again' ORDER BY original_offset"
        )
        return rows if len(rows) == 2 else None

    assert [tuple(row) for row in await bridge.eventually(both, within=15)] == [("replayed", None), ("pending", "1")]


async def test_hooks_10_a_letter_is_discarded_with_a_reason(bridge: Bridge) -> None:
    [letter] = await fail(bridge, "dlq-discarded")
    status, answer = await bridge.post(DISCARD, {"ids": [letter["id"]]})
    assert (status, answer["error"]["details"]["errors"][0]["path"]) == (422, "$.reason")
    status, answer = await bridge.post(DISCARD, {"ids": [letter["id"]], "reason": "a test"})
    assert (status, answer["data"]["discarded"]) == (200, 1)
    after = await show(bridge, letter["id"])
    assert (after["status"], after["reason"]) == ("discarded", "a test")
    assert (await bridge.post(REPLAY, {"ids": [letter["id"]]}))[0] == 409


async def test_hooks_10_two_replays_at_once_publish_each_message_once(bridge: Bridge) -> None:
    letters = await fail(bridge, "dlq-at-once", 20)
    body = {"ids": [one["id"] for one in letters], "force": True}
    answers = await asyncio.gather(*(bridge.post(REPLAY, {**body, "force": False}) for _ in range(4)))
    replayed = sum(answer["data"]["replayed"] for status, answer in answers if status == 200)
    assert replayed == 20
    assert {status for status, _ in answers} <= {200, 409}


async def test_hooks_10_pages_lead_through_all_letters(bridge: Bridge) -> None:
    await fail(bridge, "dlq-pages", 5)
    seen: list[str] = []
    path = f"/dlq/{TOPIC}?limit=2&status=pending"
    _, answer = await bridge.get(path)
    while True:
        seen += [one["id"] for one in answer["data"]["messages"]]
        cursor = answer["data"]["pagination"]["next_cursor"]
        if cursor is None:
            break
        assert (await bridge.get(f"/dlq/{TOPIC}?cursor={cursor}"))[0] == 422  # it belongs to other filters
        _, answer = await bridge.get(f"{path}&cursor={cursor}")
    assert len(seen) == len(set(seen)) >= 5


async def test_hooks_10_what_is_not_there_and_what_is_not_asked_well(bridge: Bridge) -> None:
    nowhere = f"{TOPIC}.dlq:0:999999"
    for path, expected in (
        ("/dlq/nope", 404),
        ("/dlq/messages/nope", 404),
        (f"/dlq/messages/{nowhere}", 404),
        ("/dlq/a%00", 404),
    ):
        assert (await bridge.get(path))[0] == expected
    for path in (f"/dlq/{TOPIC}?status=nope", f"/dlq/{TOPIC}?limit=0", f"/dlq/{TOPIC}?cursor=nope"):
        assert (await bridge.get(path))[0] == 422
    for body, expected in (
        ({}, 422),
        ({"ids": []}, 422),
        ({"all": False}, 422),
        ({"ids": ["x"], "all": True}, 422),
        ({"ids": ["x"]}, 404),
        ({"all": True, "value": {}}, 422),
        ({"ids": 3}, 422),
        ({"ids": [nowhere]}, 404),
    ):
        assert (await bridge.post(REPLAY, body))[0] == expected, body
    assert (await bridge.post("/dlq/nope/replay", {"all": True}))[0] == 404


async def test_hooks_10_the_answers_are_as_documented(bridge: Bridge) -> None:
    [letter] = await fail(bridge, f"dlq-{uuid4().hex[:6]}")
    _, openapi = await bridge.get("/openapi.json")
    for path in ("/dlq", f"/dlq/{TOPIC}", f"/dlq/messages/{letter['id']}"):
        status, answer = await bridge.get(path)
        assert (status, answer_problems(openapi, "GET", path, status, answer)) == (200, [])
    numbers = (await bridge.get("/dlq"))[1]["data"]["topics"]
    assert any(one["topic"] == bridge.topic(TOPIC) and one["pending"] >= 1 for one in numbers)
    for path, body in (
        (REPLAY, {"all": True, "error_type": "NOPE"}),
        (DISCARD, {"ids": [letter["id"]], "reason": "x"}),
    ):
        status, answer = await bridge.post(path, body)
        assert (status, answer_problems(openapi, "POST", path, status, answer)) == (200, [])
