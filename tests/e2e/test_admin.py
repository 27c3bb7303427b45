"""What operators see and do over HTTP (hooks §11; database-adapter §7, §8)."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from bridge_app import ids
from tests.e2e.bridge import Bridge
from tests.e2e.producing import produce_all
from tests.unit.web.documented import answer_problems

#: Topics that only the adapter reads; of the first, no other test has good records: they would count for its limit.
TOPIC = "metadata.stamped"
REBUILT = "proxy.requests"
PAGE = (Path(__file__).parents[2] / "docs" / "postgres.md").read_text()


async def openapi(bridge: Bridge) -> Any:
    async with bridge.session.get(bridge.url + "/openapi.json") as response:
        return orjson.loads(await response.read())


async def test_the_commands_of_the_page_are_answered(bridge: Bridge) -> None:
    commands = re.findall(r"^curl -s localhost:6066(\S+)(?: -H '[^']+' -d '([^']+)')?$", PAGE, re.MULTILINE)
    assert len(commands) == PAGE.count("curl -s") == 3
    for path, body in commands:
        status, answer = await (bridge.post(path, body.encode()) if body else bridge.get(path))
        assert status in (200, 202) or (status, answer["error"]["code"]) == (409, "CONFLICT"), path


async def letters(bridge: Bridge) -> int:
    found: int = await bridge.postgres.fetchval(
        "SELECT count(*) FROM dead_letters WHERE original_topic = $1", bridge.topic(TOPIC)
    )
    return found


async def test_database_adapter_13_topic_stops_shows_and_goes_on(bridge: Bridge) -> None:
    document = await openapi(bridge)
    await produce_all(bridge, TOPIC, [(b"k", b"{")] * 200)

    async def stopped() -> bool:
        _, health = await bridge.get("/health")
        reasons = str(health["data"])
        return health["data"]["status"] == "unhealthy" and bridge.topic(TOPIC) in reasons

    await bridge.eventually(stopped, within=30)

    async def first_letters() -> bool:
        return 20 <= await letters(bridge) <= 51

    await bridge.eventually(first_letters, within=30)
    status, answer = await bridge.get("/admin/agents/database_adapter")
    assert (status, answer_problems(document, "GET", "/admin/agents/database_adapter", status, answer)) == (200, [])
    topics = {one["topic"]: one for one in answer["data"]["topics"]}
    assert topics[bridge.topic(TOPIC)]["status"] == "stopped"
    assert topics[bridge.topic(TOPIC)]["last_error"].startswith("INVALID_JSON")
    assert topics[bridge.topic("hooks.service_lifecycle")]["status"] == answer["data"]["status"] == "running"

    path = "/admin/agents/database_adapter/resume"
    status, answer = await bridge.post(path, {"topic": TOPIC})
    assert (status, answer_problems(document, "POST", path, status, answer)) == (200, [])

    async def all_there() -> bool:
        return await letters(bridge) == 200

    await bridge.eventually(all_there, within=30)
    assert (await bridge.post(path, {"topic": TOPIC}))[0] == 409
    status, answer = await bridge.post(path, {})
    assert (status, answer["error"]["code"]) == (409, "CONFLICT")
    assert answer_problems(document, "POST", path, status, answer) == []


async def test_every_agent_is_listed_with_its_topics(bridge: Bridge) -> None:
    document = await openapi(bridge)
    status, answer = await bridge.get("/admin/agents")
    assert (status, answer_problems(document, "GET", "/admin/agents", status, answer)) == (200, [])
    found = {(one["name"], one["topic"]) for one in answer["data"]["agents"]}
    lifecycle = bridge.topic("hooks.service_lifecycle")
    assert ("database_adapter", lifecycle) in found
    assert len([name for name, topic in found if topic == lifecycle]) > 1
    assert (await bridge.post("/admin/agents/nobody/resume", {}))[0] == 404
    agent = next(name for name, _ in found if name != "database_adapter")
    assert (await bridge.post(f"/admin/agents/{agent}/resume", {}))[0] == 409


async def test_database_adapter_19_rebuild_over_http(bridge: Bridge) -> None:
    document = await openapi(bridge)
    path = "/admin/agents/database_adapter/rebuild"
    event = {"event_id": str(uuid4()), "event_type": "configuration.changed", "payload": {"a": 1}}
    await produce_all(bridge, REBUILT, [(b"k", orjson.dumps(event))])

    async def is_stored() -> bool:
        query = "SELECT count(*) FROM event_logs WHERE event_id = $1"
        return bool(await bridge.postgres.fetchval(query, event["event_id"]))

    await bridge.eventually(is_stored, within=20)
    await bridge.postgres.execute("DELETE FROM event_logs WHERE event_id = $1", event["event_id"])
    status, answer = await bridge.post(path, {"topics": [REBUILT], "from": "earliest"})
    assert (status, answer_problems(document, "POST", path, status, answer)) == (202, [])
    await bridge.eventually(is_stored, within=20)
    for body, wrong in (
        ({"from": "yesterday"}, "$.from"), ({"from": "2024-13-01T00:00:00Z"}, "$.from"),
        ({"topics": "all"}, "$.topics"), ({"topics": ["unknown"]}, "$.topics[0]"),
        ({"rate_per_second": -1}, "$.rate_per_second"),
    ):  # fmt: skip
        status, answer = await bridge.post(path, body)
        assert (status, [error["path"] for error in answer["error"]["details"]["errors"]]) == (422, [wrong])


async def test_hooks_9_registration_is_a_row_under_its_public_id_and_is_updated(bridge: Bridge) -> None:
    name = f"tool-{uuid4().hex[:8]}"

    def body(description: str) -> bytes:
        info = {"name": name, "version": "1.2.0", "service_source": "shop", "description": description}
        return orjson.dumps({"hook_type": "tool_discovered", "tool_info": info})

    async def description() -> Any:
        query = "SELECT description FROM tool_registrations WHERE tool_id = $1"
        return await bridge.postgres.fetchval(query, ids.tool("shop", name, "1.2.0"))

    async def has(wanted: str) -> bool:
        return bool(await description() == wanted)

    for text in ("one", "two"):
        await produce_all(bridge, "hooks.tool_registration", [(name.encode(), body(text))])
        await bridge.eventually(lambda text=text: has(text), within=20)  # type: ignore[misc]
    assert await bridge.postgres.fetchval("SELECT count(*) FROM tool_registrations WHERE tool_name = $1", name) == 1
