"""Idempotency keys over two workers (conventions §5)."""

import asyncio
from functools import partial
from typing import Any

import orjson

from tests.e2e.bridge import Bridge, lifecycle

ROUTE = "/hooks/service/lifecycle"
TOPIC = "hooks.service_lifecycle"


async def post(bridge: Bridge, port: int, body: bytes, key: str) -> tuple[int, bytes, str | None]:
    """POST a hook to a worker; return status, raw answer and whether it says that it is a repetition."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    async with bridge.session.post(f"http://127.0.0.1:{port}{ROUTE}", data=body, headers=headers) as response:
        return response.status, await response.read(), response.headers.get("Idempotency-Replayed")


def of(service: str, events: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [event["event_id"] for _, event in events if event["payload"]["service_info"]["name"] == service]


def includes(service: str, events: list[tuple[str, dict[str, Any]]]) -> bool:
    return bool(of(service, events))


async def test_conventions_10_one_key_over_two_workers_is_one_event_and_one_answer(bridge: Bridge) -> None:
    one, two = bridge.port, bridge.port + 1
    async with bridge.second_worker(), bridge.tail(TOPIC) as events:
        for round_ in range(5):
            name, key = f"idempotent-{round_}", f"key {round_}"
            body = orjson.dumps(lifecycle(name, instance_id="i"))
            answers = [await post(bridge, port, body, key) for port in (one, two, one)]
            other = await post(bridge, two, body + b" ", key)
            end = orjson.dumps(lifecycle(f"end-{round_}", instance_id="i"))
            await post(bridge, one, end, f"end {round_}")

            assert [status for status, _, _ in answers] == [200, 200, 200]
            assert len({answer for _, answer, _ in answers}) == 1
            assert [replayed for _, _, replayed in answers] == [None, "true", "true"]
            assert (other[0], orjson.loads(other[1])["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
            seen = await events.until(partial(includes, f"end-{round_}"), within=15)
            assert of(name, seen) == [orjson.loads(answers[0][1])["data"]["hook_id"].removeprefix("hook_")]


async def test_conventions_10_at_the_same_moment_on_two_workers_there_is_one_effect(bridge: Bridge) -> None:
    body = orjson.dumps(lifecycle("simultaneous", instance_id="i"))
    async with bridge.second_worker():
        answers = await asyncio.gather(*(post(bridge, bridge.port + n % 2, body, "moment") for n in range(10)))
    ids = {orjson.loads(answer)["data"]["hook_id"].removeprefix("hook_") for _, answer, _ in answers}
    assert {status for status, _, _ in answers} == {200}
    assert len(ids) == 1

    async def stored() -> list[Any]:
        query = "SELECT event_id FROM event_logs WHERE payload->'service_info'->>'name' = 'simultaneous'"
        rows: list[Any] = await bridge.postgres.fetch(query)
        return rows

    assert [str(row["event_id"]) for row in await bridge.eventually(stored, within=15)] == list(ids)


async def test_conventions_10_a_worker_that_starts_later_knows_the_key(bridge: Bridge) -> None:
    body = orjson.dumps(lifecycle("before-the-start", instance_id="i"))
    first = await post(bridge, bridge.port, body, "before")
    async with bridge.second_worker():
        again = await post(bridge, bridge.port + 1, body, "before")

    assert again == (first[0], first[1], "true")
