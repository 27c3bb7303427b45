"""Idempotency keys on one worker, over HTTP (conventions §5). Two workers: tests/e2e/test_idempotency.py."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import aiohttp
import orjson
import pytest

from bridge_app import ids
from bridge_app.errors import PayloadTooLarge, ServiceUnavailable
from tests.lab.waiting import eventually
from tests.unit.web.asking import ROUTE
from tests.unit.web.conftest import StartWorker
from tests.unit.web.http_worker import Worker

START = {"hook_type": "service_started", "service_info": {"name": "s", "version": "1", "instance_id": "i"}}
BODY = orjson.dumps(START)
EVENT_ID = ids.name_based("http", "", f"POST {ROUTE}", "k", 0)

Result = tuple[aiohttp.ClientResponse, bytes]


async def post(
    http: aiohttp.ClientSession,
    key: str | None = "k",
    *,
    body: bytes = BODY,
    route: str = ROUTE,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Result:
    keyed = {} if key is None else {"Idempotency-Key": key}
    all_headers = {"Content-Type": "application/json", **keyed, **headers}
    async with http.post(route, data=body, headers=all_headers) as response:
        return response, await response.read()


def code(result: Result) -> Any:
    return orjson.loads(result[1])["error"]["code"]


async def test_the_first_answer_is_repeated_and_flagged(worker: Worker, http: aiohttp.ClientSession) -> None:
    first, answer = await post(http, headers={"X-Correlation-ID": "mine"})
    again, repeated = await post(http, headers={"X-Correlation-ID": "another"})

    assert (first.status, again.status) == (200, 200)
    assert answer == repeated
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Correlation-ID"] == "mine"
    assert again.headers["Content-Type"] == "application/json"
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert [event.event_id for _, event in worker.published] == [EVENT_ID]


async def test_the_record_of_an_answer_says_all_and_names_no_key(worker: Worker, http: aiohttp.ClientSession) -> None:
    _, answer = await post(http, "secret-key")

    [(topic, record)] = worker.recorded
    assert topic == "http.idempotency"
    assert record.event_type == "http.idempotency.recorded"
    assert record.causation_id == worker.published[0][1].event_id
    assert record.payload["status"] == 200
    assert record.payload["body"].encode() == answer
    assert "secret-key" not in str(record)


async def test_another_body_under_the_same_key_is_422(worker: Worker, http: aiohttp.ClientSession) -> None:
    await post(http)
    result = await post(http, body=BODY + b" ")

    assert (result[0].status, code(result)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(worker.published) == 1


async def test_a_key_counts_per_method_and_path_and_webhook_id_stands_in(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    await post(http, None, headers={"webhook-id": "k"})
    repeated, _ = await post(http, "k", headers={"webhook-id": "other"})

    assert repeated.headers["Idempotency-Replayed"] == "true"
    assert [event.event_id for _, event in worker.published] == [EVENT_ID]


async def test_without_a_key_equal_bodies_are_two_events(worker: Worker, http: aiohttp.ClientSession) -> None:
    await post(http, None)
    await post(http, None)

    assert len({event.event_id for _, event in worker.published}) == 2
    assert worker.recorded == []


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "a\tb"])
async def test_an_unusable_key_is_named(worker: Worker, http: aiohttp.ClientSession, key: str) -> None:
    for header in ("Idempotency-Key", "webhook-id"):
        response, answer = await post(http, None, headers={header: key})
        error = orjson.loads(answer)["error"]
        assert (response.status, error["code"]) == (422, "VALIDATION_ERROR")
        assert error["details"]["errors"][0]["path"] == f"header.{header}"
    assert worker.published == []


async def test_a_request_that_fails_its_checks_leaves_the_key_alone(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    assert (await post(http, body=b"{}"))[0].status == 422
    assert (await post(http, route=f"{ROUTE}?dry_run=true"))[0].status == 200

    first, _ = await post(http)
    assert (first.status, "Idempotency-Replayed" in first.headers) == (200, False)
    assert len(worker.published) == 1


async def test_a_5xx_is_not_kept_and_a_4xx_is(worker: Worker, http: aiohttp.ClientSession) -> None:
    worker.refusal = ServiceUnavailable("Kafka is not reachable")
    assert (await post(http))[0].status == 503
    worker.refusal = PayloadTooLarge("The event is larger than Kafka takes")
    assert (await post(http))[0].status == 413
    worker.refusal = None

    result = await post(http)
    assert (result[0].status, code(result)) == (413, "PAYLOAD_TOO_LARGE")
    assert result[0].headers["Idempotency-Replayed"] == "true"


async def test_a_route_has_its_status_and_headers_repeated_but_no_5xx(http: aiohttp.ClientSession) -> None:
    assert (await post(http, route="/created?status=502"))[0].status == 502
    for _ in range(2):
        response, _answer = await post(http, route="/created?status=201")
        assert (response.status, response.headers["Location"]) == (201, "/created/1")
    assert response.headers["Idempotency-Replayed"] == "true"
    response, _answer = await post(http, route="/created?status=202")
    assert response.status == 201


async def test_a_second_request_waits_for_the_first(start_worker: StartWorker) -> None:
    worker = await start_worker(wait_seconds=20)
    worker.gate.clear()
    async with aiohttp.ClientSession(worker.url) as http:
        requests = [asyncio.create_task(post(http)) for _ in range(3)]
        await eventually(lambda: worker.waiting == 1, "the first is being published")
        worker.gate.set()
        results = await asyncio.gather(*requests)

    assert len({answer for _, answer in results}) == 1
    assert sorted("Idempotency-Replayed" in response.headers for response, _ in results) == [False, True, True]
    assert len(worker.published) == 1


async def test_a_second_request_waits_no_longer_than_it_may(worker: Worker, http: aiohttp.ClientSession) -> None:
    worker.gate.clear()
    first = asyncio.create_task(post(http))
    await eventually(lambda: worker.waiting == 1, "the first is being published")

    second = await post(http)
    assert (second[0].status, code(second)) == (409, "REQUEST_IN_PROGRESS")
    assert second[0].headers["Retry-After"] == "1"
    other = await post(http, body=BODY + b" ")
    assert (other[0].status, code(other)) == (422, "IDEMPOTENCY_KEY_REUSED")

    worker.gate.set()
    assert (await first)[0].status == 200


async def test_after_a_first_that_failed_the_second_is_performed(start_worker: StartWorker) -> None:
    worker = await start_worker(wait_seconds=20)
    worker.gate.clear()
    worker.refusal = ServiceUnavailable("Kafka is not reachable")
    async with aiohttp.ClientSession(worker.url) as http:
        first = asyncio.create_task(post(http))
        await eventually(lambda: worker.waiting == 1, "the first is being published")
        second = asyncio.create_task(post(http))
        worker.gate.set()
        assert (await first)[0].status == 503
        assert (await second)[0].status == 503
    assert worker.published == []


async def test_what_another_worker_has_just_answered_is_repeated(
    start_worker: StartWorker, worker: Worker, http: aiohttp.ClientSession
) -> None:
    other = await start_worker()
    async with aiohttp.ClientSession(other.url) as other_http:
        _, answer = await post(other_http)
    worker.catch_up = lambda: worker.kept.apply(other.recorded[0][1], worker.clock.now_us())

    response, repeated = await post(http)
    assert (repeated, response.headers["Idempotency-Replayed"]) == (answer, "true")
    result = await post(http, body=BODY + b" ")
    assert code(result) == "IDEMPOTENCY_KEY_REUSED"
    assert worker.published == []


async def test_an_answer_that_cannot_be_recorded_is_given_nevertheless(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    worker.record_refusal = ServiceUnavailable("the outbox is full")

    assert (await post(http))[0].status == 200
    assert (await post(http))[0].headers["Idempotency-Replayed"] == "true"
    assert len(worker.published) == 1


async def test_a_forgotten_key_is_handled_anew_under_the_same_id(worker: Worker, http: aiohttp.ClientSession) -> None:
    await post(http)
    worker.clock.time_us += 3600 * 1_000_000
    again, _ = await post(http)

    assert (again.status, "Idempotency-Replayed" in again.headers) == (200, False)
    assert [event.event_id for _, event in worker.published] == [EVENT_ID, EVENT_ID]
