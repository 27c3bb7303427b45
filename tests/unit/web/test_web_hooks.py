"""POST /hooks/service/lifecycle as a client sees it."""

from typing import Any

import aiohttp
import pytest

from bridge_app.errors import PayloadTooLarge, ServiceUnavailable
from tests.unit.web.asking import ROUTE
from tests.unit.web.http_worker import Worker

START = {"hook_type": "service_started", "service_info": {"name": "s", "version": "1", "instance_id": "i"}}


async def post(
    http: aiohttp.ClientSession, json: Any, route: str = ROUTE, **options: Any
) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
    async with http.post(route, json=json, **options) as response:
        return response, await response.json()


async def test_hooks_01_a_start_is_published_and_answered(worker: Worker, http: aiohttp.ClientSession) -> None:
    response, answer = await post(http, START)

    [(topic, event)] = worker.published
    assert response.status == 200
    assert list(answer) == ["success", "data", "error", "metadata"]
    assert (answer["success"], answer["error"]) == (True, None)
    assert answer["data"] == {
        "hook_id": f"hook_{event.event_id}",
        "correlation_id": event.correlation_id,
        "processing_status": "completed",
        "event_published": True,
        "intelligence_analysis": {"patterns_discovered": [{"pattern_type": "x"}]},
        "processing_time_ms": 0.0,
    }
    assert topic == "hooks.service_lifecycle"
    assert event.time_us == worker.clock.time_us
    assert event.trace_id == response.headers["traceparent"].split("-")[1]


async def test_conventions_05_one_correlation_in_body_header_event_and_answer(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    correlation_id = "test-correlation-123"
    response, answer = await post(
        http, {**START, "correlation_id": correlation_id}, headers={"X-Correlation-ID": correlation_id}
    )

    assert response.headers["X-Correlation-ID"] == correlation_id
    assert answer["data"]["correlation_id"] == correlation_id
    assert worker.published[0][1].correlation_id == correlation_id


@pytest.mark.parametrize(
    ("body", "headers", "correlation_id"),
    [
        ({"correlation_id": "a"}, {"X-Correlation-ID": "b"}, "a"),
        ({}, {"X-Correlation-ID": "Bestellung-ü"}, "Bestellung-ü"),
    ],
)
async def test_conventions_06_the_body_goes_before_the_header(
    worker: Worker, http: aiohttp.ClientSession, body: dict[str, Any], headers: dict[str, str], correlation_id: str
) -> None:
    response, _ = await post(http, {**START, **body}, headers=headers)

    assert response.headers["X-Correlation-ID"] == correlation_id
    assert worker.published[0][1].correlation_id == correlation_id


async def test_a_generated_correlation_is_the_same_in_event_and_header(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    response, answer = await post(http, START)

    assert response.headers["X-Correlation-ID"] == answer["data"]["correlation_id"]
    assert worker.published[0][1].metadata["correlation_source"] == "generated"


async def test_a_refused_hook_is_answered_under_its_own_correlation(http: aiohttp.ClientSession) -> None:
    response, _ = await post(http, {"correlation_id": "mine"}, headers={"X-Correlation-ID": "other"})

    assert (response.status, response.headers["X-Correlation-ID"]) == (422, "mine")


async def test_hooks_10_nothing_is_published_for_an_invalid_hook(worker: Worker, http: aiohttp.ClientSession) -> None:
    response, answer = await post(http, {**START, "service_info": {**START["service_info"], "port": "8000"}})  # type: ignore[dict-item]

    assert response.status == 422
    assert (answer["success"], answer["data"]) == (False, None)
    assert answer["error"] == {
        "code": "VALIDATION_ERROR",
        "message": "$.service_info.port: Expected int",
        "details": {"errors": [{"path": "$.service_info.port", "message": "Expected int"}]},
        "trace_id": response.headers["traceparent"].split("-")[1],
    }
    assert worker.published == []


async def test_hooks_14_a_dry_run_checks_and_analyses_and_publishes_nothing(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    response, answer = await post(http, START, f"{ROUTE}?dry_run=true")

    assert response.status == 200
    assert answer["data"]["hook_id"] is None
    assert (answer["data"]["processing_status"], answer["data"]["event_published"]) == ("validated", False)
    assert answer["data"]["intelligence_analysis"]["patterns_discovered"]
    assert worker.published == []


async def test_a_bad_query_parameter_is_named_and_an_unknown_one_ignored(http: aiohttp.ClientSession) -> None:
    response, answer = await post(http, START, f"{ROUTE}?dry_run=maybe")
    assert (response.status, answer["error"]["details"]["errors"][0]["path"]) == (422, "query.dry_run")

    response, _ = await post(http, START, f"{ROUTE}?dry=run")
    assert response.status == 200


async def test_an_analysis_that_fails_does_not_fail_the_hook(worker: Worker, http: aiohttp.ClientSession) -> None:
    worker.analysis = ZeroDivisionError()

    response, answer = await post(http, START)

    assert response.status == 200
    assert answer["data"]["intelligence_analysis"] == {
        "patterns_discovered": [],
        "recommendations": [],
        "reason": "The analysis failed",
    }
    assert len(worker.published) == 1


async def test_a_hook_that_waits_in_the_outbox_says_so(worker: Worker, http: aiohttp.ClientSession) -> None:
    worker.kafka_answers = False

    response, answer = await post(http, START)

    assert response.status == 200
    assert (answer["data"]["processing_status"], answer["data"]["event_published"]) == ("buffered", False)
    assert answer["data"]["hook_id"] == f"hook_{worker.published[0][1].event_id}"


async def test_without_kafka_and_outbox_a_hook_is_refused_and_not_promised(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    worker.refusal = ServiceUnavailable("Kafka is not reachable")

    response, answer = await post(http, START)

    assert (response.status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert response.headers["Retry-After"] == "1"


async def test_an_event_too_large_for_the_broker_is_413(worker: Worker, http: aiohttp.ClientSession) -> None:
    worker.refusal = PayloadTooLarge("The event is larger than Kafka takes")

    response, answer = await post(http, START)

    assert (response.status, answer["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
