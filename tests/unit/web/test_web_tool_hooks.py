"""POST /hooks/tool/registration and /hooks/tool/execution as a client sees them."""

from typing import Any

import aiohttp
import pytest

from bridge_app import ids
from bridge_app.web.api.hook_bodies import EXECUTION_BODIES, REGISTRATION_BODIES
from tests.unit.web.http_worker import Worker
from tests.unit.web.test_web_hooks import START, post

REGISTRATION, EXECUTION = "/hooks/tool/registration", "/hooks/tool/execution"
TOOL = REGISTRATION_BODIES["discovered"]


async def test_hooks_09_a_tool_is_published_under_its_public_id(worker: Worker, http: aiohttp.ClientSession) -> None:
    response, answer = await post(http, TOOL, REGISTRATION)

    [(topic, event)] = worker.published
    tool_id = ids.tool("image-service", "resize", "1.2.0")
    assert (response.status, topic, event.event_type) == (
        200,
        "hooks.tool_registration",
        "tool.registration.discovered",
    )
    assert (event.partition_key, event.payload["tool_id"]) == ("resize", tool_id)
    assert answer["data"]["tool_registration_id"] == tool_id
    assert answer["data"]["registration_status"] == "completed"
    assert (answer["data"]["tool_indexed"], answer["data"]["capabilities_analyzed"]) == (True, 2)


async def test_hooks_3_a_tool_that_waits_in_the_outbox_is_pending(worker: Worker, http: aiohttp.ClientSession) -> None:
    worker.kafka_answers = False
    _, answer = await post(http, TOOL, REGISTRATION)

    assert (answer["data"]["registration_status"], answer["data"]["tool_indexed"]) == ("pending", False)
    assert answer["data"]["processing_status"] == "buffered"


async def test_hooks_06_an_execution_is_published_with_its_time(worker: Worker, http: aiohttp.ClientSession) -> None:
    response, answer = await post(http, EXECUTION_BODIES["completed"], EXECUTION)

    [(topic, event)] = worker.published
    assert (response.status, topic, event.event_type) == (200, "hooks.tool_execution", "tool.execution.completed")
    assert event.payload["derived"] == {"execution_time_ms": 150, "outcome": "success"}
    assert "tool_registration_id" not in answer["data"]


@pytest.mark.parametrize("route", [REGISTRATION, EXECUTION])
async def test_hooks_14_a_dry_run_of_a_tool_hook_publishes_nothing(
    worker: Worker, http: aiohttp.ClientSession, route: str
) -> None:
    body = TOOL if route == REGISTRATION else EXECUTION_BODIES["completed"]
    response, answer = await post(http, body, f"{route}?dry_run=true")

    assert (response.status, worker.published) == (200, [])
    assert (answer["data"]["hook_id"], answer["data"]["event_published"]) == (None, False)
    assert answer["data"]["processing_status"] == "validated"


@pytest.mark.parametrize(
    ("route", "body", "path"),
    [
        (REGISTRATION, {"hook_type": "tool_discovered"}, "$.tool_info"),
        (REGISTRATION, {"hook_type": "tool_discovered", "tool_info": {"name": "a b"}}, "$.tool_info.name"),
        (
            REGISTRATION,
            {"hook_type": "tool_discovered", "tool_info": {"name": "a", "input_schema": {"type": "nope"}}},
            "$.tool_info.input_schema.type",
        ),
        (EXECUTION, {"hook_type": "tool_executed", "execution_info": {"tool_name": "a"}}, "execution_id"),
        (
            EXECUTION,
            {
                "hook_type": "tool_executed",
                "execution_info": {"tool_name": "a", "execution_id": "1"},
                "execution_timeline": {"started_at": "2024-01-15T10:30:01Z", "completed_at": "2024-01-15T10:30:00Z"},
            },
            "$.execution_timeline.completed_at",
        ),
    ],
)
async def test_hooks_10_a_bad_tool_hook_names_the_field(
    worker: Worker, http: aiohttp.ClientSession, route: str, body: dict[str, Any], path: str
) -> None:
    response, answer = await post(http, body, route)

    assert (response.status, answer["error"]["code"], worker.published) == (422, "VALIDATION_ERROR", [])
    assert any(error["path"].endswith(path) for error in answer["error"]["details"]["errors"])


@pytest.mark.parametrize("route", [REGISTRATION, EXECUTION])
async def test_hooks_10_each_route_takes_its_own_types(worker: Worker, http: aiohttp.ClientSession, route: str) -> None:
    response, answer = await post(http, START, route)

    assert (response.status, answer["error"]["code"], worker.published) == (422, "INVALID_HOOK_TYPE", [])


async def test_hooks_13_a_key_gives_a_tool_hook_one_effect(worker: Worker, http: aiohttp.ClientSession) -> None:
    answers = [
        await post(http, EXECUTION_BODIES["completed"], EXECUTION, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]

    assert len(worker.published) == 1
    assert len({answer["data"]["hook_id"] for _, answer in answers}) == 1
    assert answers[1][0].headers["Idempotency-Replayed"] == "true"
