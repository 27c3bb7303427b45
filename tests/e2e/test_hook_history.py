"""Hooks that a running worker took are read back (hooks §7, §8)."""

from typing import Any
from uuid import uuid4

from tests.e2e.bridge import Bridge, execution, lifecycle
from tests.unit.web.documented import answer_problems

LIFECYCLE, EXECUTION = "/hooks/service/lifecycle", "/hooks/tool/execution"


async def hooks(bridge: Bridge, query: str) -> list[dict[str, Any]]:
    status, answer = await bridge.get(f"/hooks?{query}")
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["data"]["hooks"]
    return found


async def test_hooks_15_a_hook_is_read_back_with_what_came_of_it(bridge: Bridge) -> None:
    correlation_id = f"read-back-{uuid4()}"
    body = {**lifecycle("read-back", instance_id="1", startup_time_ms=100), "correlation_id": correlation_id}
    _, answer = await bridge.post(LIFECYCLE, body)
    hook_id = answer["data"]["hook_id"]

    async def stored() -> dict[str, Any] | None:
        status, found = await bridge.get(f"/hooks/{hook_id}")
        return found["data"] if status == 200 and found["data"]["derived_events"] else None

    hook = await bridge.eventually(stored, within=15)
    assert (hook["hook_id"], hook["hook_type"]) == (hook_id, "service_started")
    assert hook["event"]["payload"]["service_info"]["name"] == "read-back"
    metadata = {"hook_id", "hook_type", "client_timestamp", "auth_id", "correlation_source"}
    assert hook["event"]["metadata"].keys() == metadata
    assert hook["event"]["metadata"]["hook_id"] == hook_id
    assert hook["event"]["timestamp"] == hook["event"]["event_timestamp"] == hook["received_at"]
    assert {hook["event"][name] for name in ("envelope_version", "event_version", "version")} == {"1.0"}
    assert "intelligence.pattern.discovered" in {one["event_type"] for one in hook["derived_events"]}
    [listed] = await hooks(bridge, f"correlation_id={correlation_id}")
    assert listed == {name: hook[name] for name in listed}
    status, by_uuid = await bridge.get(f"/hooks/{hook_id.removeprefix('hook_')}")
    assert (status, by_uuid["data"]["hook_id"]) == (200, hook_id)


async def test_hooks_7_filters_and_pages(bridge: Bridge) -> None:
    name = f"filters-{uuid4().hex[:8]}"
    bodies = [execution(name, 10 + n, executor_service=f"{name}-service") for n in range(4)]
    bodies.append(execution(name, 10, status="failed"))
    for body in bodies:
        assert (await bridge.post(EXECUTION, body))[0] == 200
    assert (await bridge.post(LIFECYCLE, lifecycle(f"{name}-service", instance_id="1")))[0] == 200

    async def all_there() -> list[dict[str, Any]] | None:
        found = await hooks(bridge, f"tool={name}")
        started = await hooks(bridge, f"service={name}-service&hook_type=service-start")
        return found if len(found) == 5 and started else None

    found = await bridge.eventually(all_there, within=15)
    times = [one["received_at"] for one in found]
    assert times == sorted(times, reverse=True)
    assert found[0]["event_type"] == "tool.execution.failed"
    assert len(await hooks(bridge, f"service={name}-service")) == 5
    assert await hooks(bridge, f"tool={name}&hook_type=service_started") == []
    assert len(await hooks(bridge, f"tool={name}&since={times[1]}")) == 2
    assert len(await hooks(bridge, f"tool={name}&until={times[1]}")) == 3

    seen, cursor = [], ""
    while True:
        status, answer = await bridge.get(f"/hooks?tool={name}&limit=2{cursor}")
        assert status == 200
        seen += answer["data"]["hooks"]
        if not answer["data"]["pagination"]["has_more"]:
            break
        cursor = f"&cursor={answer['data']['pagination']['next_cursor']}"
    assert seen == found


async def test_hooks_7_bad_questions(bridge: Bridge) -> None:
    for name, value in (("hook_type", "x"), ("since", "15/01/2024"), ("limit", "0"), ("cursor", "x"), ("tool", "%00")):
        status, answer = await bridge.get(f"/hooks?{name}={value}")
        assert (status, answer["error"]["details"]["errors"][0]["path"]) == (422, f"query.{name}")
    for hook_id in ("nope", f"hook_{uuid4()}"):
        assert (await bridge.get(f"/hooks/{hook_id}"))[0] == 404


async def test_hooks_7_answers_are_as_documented(bridge: Bridge) -> None:
    _, openapi = await bridge.get("/openapi.json")
    _, answer = await bridge.post(LIFECYCLE, lifecycle("documented", instance_id="1"))
    path = f"/hooks/{answer['data']['hook_id']}"

    async def stored() -> tuple[int, Any] | None:
        found = await bridge.get(path)
        return found if found[0] == 200 else None

    status, answer = await bridge.eventually(stored, within=15)
    assert answer_problems(openapi, "GET", path, status, answer) == []
    status, answer = await bridge.get("/hooks")
    assert answer_problems(openapi, "GET", "/hooks", status, answer) == []


async def test_hooks_11_unknown_fields_are_in_the_event_and_in_its_row(bridge: Bridge) -> None:
    body = {**lifecycle("unknown-fields", instance_id="1", colour="blue"), "extra": {"a": [1]}}
    _, answer = await bridge.post(LIFECYCLE, body)

    async def payload() -> Any:
        status, found = await bridge.get(f"/hooks/{answer['data']['hook_id']}")
        return found["data"]["event"]["payload"] if status == 200 else None

    found = await bridge.eventually(payload, within=15)
    assert (found["extra"], found["service_info"]["colour"]) == ({"a": [1]}, "blue")


async def test_hooks_16_a_minimal_row_of_another_program(bridge: Bridge) -> None:
    await bridge.postgres.execute("INSERT INTO event_logs(event_type, payload) VALUES ('test_event', '{}')")
    assert await bridge.postgres.fetchval("SELECT count(*) FROM event_logs WHERE event_type = 'test_event'") == 1
