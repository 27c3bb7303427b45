"""POST /hooks/batch as a client sees it."""

from typing import Any

import aiohttp
import orjson
import pytest

from bridge_app.json_schema import Schema
from bridge_app.web.api import examples
from bridge_app.web.api.hook_bodies import EXECUTION_BODIES, REGISTRATION_BODIES
from tests.unit.web.conftest import StartWorker
from tests.unit.web.documented import answer_problems
from tests.unit.web.http_worker import Worker
from tests.unit.web.test_web_hooks import START, post

BATCH = "/hooks/batch"
BAD: dict[str, Any] = {
    "hook_type": "service_started",
    "service_info": {"name": "s", "version": "1", "instance_id": "i", "port": 0},
}


def starts(*instances: str) -> list[dict[str, Any]]:
    return [
        {"hook_type": "service_started", "service_info": {"name": "s", "version": "1", "instance_id": one}}
        for one in instances
    ]


async def document(http: aiohttp.ClientSession) -> Schema:
    async with http.get("/openapi.json") as response:
        found: Schema = orjson.loads(await response.read())
        return found


@pytest.mark.parametrize("wrapped", [False, True])
async def test_hooks_12_the_valid_items_are_published_in_order_the_invalid_one_is_reported(
    worker: Worker, http: aiohttp.ClientSession, wrapped: bool
) -> None:
    items = [*starts("a", "b"), BAD, *starts("c", "d")]
    response, answer = await post(http, {"hooks": items} if wrapped else items, BATCH)

    data = answer["data"]
    assert (response.status, data["accepted"], data["rejected"]) == (200, 4, 1)
    assert [event.payload["service_info"]["instance_id"] for _, event in worker.published] == ["a", "b", "c", "d"]
    published = [f"hook_{event.event_id}" for _, event in worker.published]
    assert [one["hook_id"] for one in data["results"] if one["success"]] == published
    assert data["results"][2]["error"]["code"] == "VALIDATION_ERROR"
    assert data["results"][2]["error"]["details"]["errors"][0]["path"] == "$.service_info.port"
    assert (data["results"][2]["hook_id"], data["results"][2]["event_published"]) == (None, False)
    assert answer_problems(await document(http), "POST", BATCH, 200, answer) == []


async def test_hooks_5_a_batch_has_hooks_of_every_type(worker: Worker, http: aiohttp.ClientSession) -> None:
    items = [START, REGISTRATION_BODIES["updated"], EXECUTION_BODIES["failed"]]
    _, answer = await post(http, items, BATCH)

    assert answer["data"]["accepted"] == 3
    assert [topic for topic, _ in worker.published] == [
        "hooks.service_lifecycle",
        "hooks.tool_registration",
        "hooks.tool_execution",
    ]


async def test_hooks_12_a_batch_without_a_valid_item_is_refused(worker: Worker, http: aiohttp.ClientSession) -> None:
    response, answer = await post(http, {"hooks": [BAD, {"hook_type": "nope"}, 3, {}]}, BATCH)

    assert (response.status, answer["error"]["code"], worker.published) == (422, "VALIDATION_ERROR", [])
    results = answer["error"]["details"]["results"]
    assert [one["error"]["code"] for one in results] == [
        "VALIDATION_ERROR",
        "INVALID_HOOK_TYPE",
        "VALIDATION_ERROR",
        "VALIDATION_ERROR",
    ]
    assert answer["error"]["details"]["errors"][0]["path"] == "$.hooks[0].service_info.port"
    assert answer_problems(await document(http), "POST", BATCH, 422, answer) == []


@pytest.mark.parametrize(
    ("body", "path"),
    [([], "$"), ([{}] * 1001, "$"), (3, "$"), ({}, "$.hooks"), ({"hooks": []}, "$.hooks"), ({"hooks": {}}, "$.hooks")],
)
async def test_hooks_12_a_body_that_is_no_batch_is_refused(http: aiohttp.ClientSession, body: Any, path: str) -> None:
    response, answer = await post(http, body, BATCH)

    assert (response.status, answer["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert answer["error"]["details"]["errors"][0]["path"] == path


async def test_hooks_5_a_batch_is_posted(http: aiohttp.ClientSession) -> None:
    async with http.get(BATCH) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_hooks_5_a_key_covers_the_whole_batch(worker: Worker, http: aiohttp.ClientSession) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = [await post(http, starts("a", "b"), BATCH, headers=headers) for _ in range(2)]

    assert len(worker.published) == 2
    assert answers[0][1]["data"] == answers[1][1]["data"]
    assert answers[1][0].headers["Idempotency-Replayed"] == "true"


async def test_hooks_5_the_ids_of_a_batch_come_from_key_and_index(start_worker: StartWorker) -> None:
    published = []
    for _ in range(2):  # neither worker knows what the other has answered
        worker = await start_worker()
        async with aiohttp.ClientSession(worker.url) as http:
            await post(http, [*starts("a"), BAD, *starts("b")], BATCH, headers={"Idempotency-Key": "k"})
        published.append([event.event_id for _, event in worker.published])

    assert published[0] == published[1]
    assert len(set(published[0])) == 2


async def test_hooks_5_the_header_correlates_the_items_without_their_own(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    items = [{**START, "correlation_id": "own"}, START]
    await post(http, items, BATCH, headers={"X-Correlation-ID": "header"})

    assert [event.correlation_id for _, event in worker.published] == ["own", "header"]


async def test_hooks_5_items_without_any_correlation_get_one_each(worker: Worker, http: aiohttp.ClientSession) -> None:
    await post(http, [START, START], BATCH)

    assert len({event.correlation_id for _, event in worker.published}) == 2


async def test_hooks_5_the_analysis_is_there_when_it_is_asked_for(worker: Worker, http: aiohttp.ClientSession) -> None:
    worker.analysis = examples.analysis()
    _, answer = await post(http, [START, BAD], f"{BATCH}?analysis=true")
    assert answer["data"]["results"][0]["intelligence_analysis"] == worker.analysis
    refused = answer["data"]["results"][1]["intelligence_analysis"]
    assert (refused["patterns_discovered"], refused["recommendations"]) == ([], [])
    assert refused["reason"]
    assert answer_problems(await document(http), "POST", BATCH, 200, answer) == []

    _, answer = await post(http, [BAD], f"{BATCH}?analysis=true")
    assert answer["error"]["details"]["results"][0]["intelligence_analysis"] == refused
    _, answer = await post(http, [START, BAD], BATCH)
    assert not any("intelligence_analysis" in one for one in answer["data"]["results"])


async def test_hooks_14_a_dry_run_of_a_batch_publishes_nothing(worker: Worker, http: aiohttp.ClientSession) -> None:
    response, answer = await post(http, [START, BAD], f"{BATCH}?dry_run=true&analysis=true")

    assert (response.status, worker.published, answer["data"]["accepted"]) == (200, [], 1)
    assert (answer["data"]["results"][0]["hook_id"], answer["data"]["results"][0]["success"]) == (None, True)
    assert "intelligence_analysis" in answer["data"]["results"][0]


async def test_hooks_21_a_batch_that_waits_in_the_outbox_says_so(worker: Worker, http: aiohttp.ClientSession) -> None:
    worker.kafka_answers = False
    response, answer = await post(http, [START], BATCH)

    assert (response.status, answer["data"]["results"][0]["event_published"]) == (200, False)
