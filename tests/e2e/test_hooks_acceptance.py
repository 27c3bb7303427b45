"""Acceptance of hooks.md that needs a whole worker: refusals leave nothing, keys, dry runs, seed tables, a kill."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
import pytest

from tests.e2e.bridge import Bridge, execution, lifecycle
from tests.e2e.deployment import deployment
from tests.e2e.producing import produce_all

LIFECYCLE, EXECUTION, REGISTRATION = "/hooks/service/lifecycle", "/hooks/tool/execution", "/hooks/tool/registration"
PORT = 27086
CLIENTS = 20
#: The tables of seed 000, as its environment creates them.
SEED_TABLES = """
CREATE TABLE intelligence_patterns (id SERIAL PRIMARY KEY, pattern_id UUID UNIQUE NOT NULL,
    pattern_type VARCHAR(100) NOT NULL, confidence_score FLOAT NOT NULL,
    discovery_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP, pattern_data JSONB NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE service_registrations (id SERIAL PRIMARY KEY, service_name VARCHAR(100) NOT NULL,
    instance_id VARCHAR(200) UNIQUE NOT NULL, version VARCHAR(50) NOT NULL, host VARCHAR(255) NOT NULL,
    port INTEGER NOT NULL, capabilities JSONB DEFAULT '[]', metadata JSONB DEFAULT '{}',
    health_status VARCHAR(20) DEFAULT 'unknown', last_heartbeat TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE tool_registrations (id SERIAL PRIMARY KEY, tool_id UUID UNIQUE NOT NULL,
    tool_name VARCHAR(100) NOT NULL, version VARCHAR(50) NOT NULL, service_source VARCHAR(100) NOT NULL,
    category VARCHAR(100) NOT NULL, input_schema JSONB NOT NULL, output_schema JSONB NOT NULL,
    execution_requirements JSONB DEFAULT '{}', created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
"""


async def stored(bridge: Bridge, ids: set[str]) -> bool:
    """Tell whether every hook has its one row."""
    query = "SELECT count(*) FROM event_logs WHERE event_id = ANY($1::uuid[])"
    return bool(await bridge.postgres.fetchval(query, [one.removeprefix("hook_") for one in ids]) == len(ids))


async def test_hooks_02_the_hooks_of_a_service_come_in_the_order_of_their_acceptance(bridge: Bridge) -> None:
    names = [f"ordered-{number}" for number in range(3)]
    async with bridge.tail("hooks.service_lifecycle") as events:
        for time_ms in (2000, 2100, 2200):
            for name in names:
                body = lifecycle(name, instance_id=f"{name}-{time_ms}", startup_time_ms=time_ms)
                assert (await bridge.post(LIFECYCLE, body))[0] == 200
        seen = await events.until(lambda all_seen: len([one for one in all_seen if "ordered-" in str(one)]) == 9, 10)
    found = [event["payload"]["service_info"] for _, event in seen if "ordered-" in str(event)]
    for name in names:
        assert [info["startup_time_ms"] for info in found if info["name"] == name] == [2000, 2100, 2200]


async def test_hooks_08_stops_and_changes_of_health_have_their_types(bridge: Bridge) -> None:
    name = "health-types"
    unwell = lifecycle(
        name, hook_type="health_changed", instance_id="1", health_transition={"current_status": "degraded"}
    )
    async with bridge.tail("hooks.service_lifecycle") as events:
        for body in (lifecycle(name, hook_type="service_stopped", instance_id="1"), unwell):
            assert (await bridge.post(LIFECYCLE, body))[0] == 200
        await events.first(lambda one: one["event_type"] == "service.lifecycle.stopped", within=10)
        await events.first(lambda one: one["event_type"] == "service.lifecycle.health_changed", within=10)
    status, answer = await bridge.post(LIFECYCLE, {**unwell, "health_transition": {"previous_status": "healthy"}})
    assert (status, answer["error"]["details"]["errors"][0]["path"]) == (422, "$.health_transition.current_status")


async def test_hooks_10_what_is_refused_leaves_nothing(bridge: Bridge) -> None:
    name = f"refused-{uuid4().hex[:8]}"
    ends_first = {"started_at": "2024-01-15T10:30:01Z", "completed_at": "2024-01-15T10:30:00Z"}
    schema = {"hook_type": "tool_discovered", "tool_info": {"name": name, "input_schema": {"type": 3}}}
    refused: list[tuple[str, Any, str]] = [
        (LIFECYCLE, execution(name), "$.hook_type"),
        (LIFECYCLE, {"hook_type": "service_started"}, "$.service_info"),
        (LIFECYCLE, {"service_info": {"name": name}}, "$.hook_type"),
        *(
            (LIFECYCLE, lifecycle(name, instance_id="1", port=port), "$.service_info.port")
            for port in (0, 65536, "1", True)
        ),
        (LIFECYCLE, lifecycle(name, instance_id="1", startup_time_ms=-1), "$.service_info.startup_time_ms"),
        (LIFECYCLE, lifecycle(" ", instance_id=name), "$.service_info.name"),
        (EXECUTION, {**execution(name), "execution_timeline": ends_first}, "$.execution_timeline.completed_at"),
        (REGISTRATION, schema, "$.tool_info.input_schema.type"),
        (LIFECYCLE, [lifecycle(name, instance_id="1")], "$"),
    ]
    topics = ("hooks.service_lifecycle", "hooks.tool_execution", "hooks.tool_registration")
    async with bridge.tail(*topics) as events:
        for path, body, where in refused:
            status, answer = await bridge.post(path, body)
            assert (status, answer["success"]) == (422, False), body
            assert where in [one["path"] for one in answer["error"]["details"]["errors"]], answer
        not_a_number = b'{"hook_type": "service_started", "service_info": {"name": NaN}}'
        assert (await bridge.post(LIFECYCLE, not_a_number))[0] == 400
        marks = [lifecycle("after-the-refused", instance_id="1"), execution("after-the-refused")]
        _, accepted = await bridge.post("/hooks/batch", marks)
        ids = {one["hook_id"] for one in accepted["data"]["results"]}
        seen = await events.until(lambda all_seen: len(_with(all_seen, ids)) == 2, within=10)
    assert not [event for _, event in seen if name in str(event)]
    await bridge.eventually(lambda: stored(bridge, ids), within=15)
    assert (
        await bridge.postgres.fetchval("SELECT count(*) FROM event_logs WHERE payload::text LIKE $1", f"%{name}%") == 0
    )


async def test_hooks_13_a_key_gives_one_event_and_no_key_gives_two(bridge: Bridge) -> None:
    body = execution("with-a-key")
    keyed = [await bridge.post(EXECUTION, body, {"Idempotency-Key": "hooks-13"}) for _ in range(2)]
    plain = [await bridge.post(EXECUTION, body) for _ in range(2)]
    ids = {answer["data"]["hook_id"] for _, answer in (*keyed, *plain)}
    assert len({answer["data"]["hook_id"] for _, answer in keyed}) == 1
    assert len(ids) == 3
    await bridge.eventually(lambda: stored(bridge, ids), within=15)


async def test_hooks_14_a_dry_run_has_its_analysis_and_no_event(bridge: Bridge) -> None:
    name = f"dry-{uuid4().hex[:8]}"
    async with bridge.tail("hooks.service_lifecycle") as events:
        status, answer = await bridge.post(f"{LIFECYCLE}?dry_run=true", lifecycle(name, instance_id="1"))
        assert (status, answer["data"]["hook_id"], answer["data"]["event_published"]) == (200, None, False)
        assert answer["data"]["intelligence_analysis"]["patterns_discovered"]
        _, after = await bridge.post(LIFECYCLE, lifecycle(name, instance_id="after"))
        await events.first(lambda one: one["metadata"].get("hook_id") == after["data"]["hook_id"], within=10)
    assert [one["payload"]["service_info"]["instance_id"] for _, one in events.seen if name in str(one)] == ["after"]


@pytest.fixture
async def fresh(stack: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Bridge]:
    """A deployment of its own, not started."""
    async with deployment(stack, tmp_path, PORT) as found:
        yield found


async def test_hooks_17_the_tables_of_the_seed_are_taken_as_they_are(fresh: Bridge) -> None:
    await fresh.postgres.execute(SEED_TABLES)
    fresh.worker.start()
    await fresh.eventually(fresh.is_ready, within=30)
    _, answer = await fresh.post(LIFECYCLE, lifecycle("seeded", instance_id="1"))
    await fresh.eventually(lambda: stored(fresh, {answer["data"]["hook_id"]}), within=15)

    async def row() -> Any:
        return await fresh.postgres.fetchrow("SELECT status, revision FROM intelligence_patterns")

    assert (await fresh.eventually(row, within=15))["status"] == "active"
    assert await fresh.worker.terminate() == 0


async def test_hooks_20_a_topic_that_is_full_of_invalid_records_stops_alone_and_is_resumed(fresh: Bridge) -> None:
    """The adapter dead-letters them, and the agent behind it only counts them: the adapter alone stops."""
    topic, agent = "hooks.tool_execution", "database_adapter"
    fresh.worker.start()
    await fresh.eventually(fresh.is_ready, within=30)
    bad = orjson.dumps({"hook_type": "tool_executed", "execution_info": {"tool_name": "bad"}})
    await produce_all(fresh, topic, [(b"bad", bad)] * 200)

    async def stopped() -> bool:
        _, health = await fresh.get("/health")
        stopped = [one for one in health["data"].get("problems", ()) if fresh.topic(topic) in one]
        return health["data"]["status"] == "unhealthy" and [one.split()[0] for one in stopped] == [agent]

    async def there_are(letters: range) -> bool:
        query = "SELECT count(*) FROM dead_letters WHERE original_topic = $1"
        return await fresh.postgres.fetchval(query, fresh.topic(topic)) in letters

    await fresh.eventually(stopped, within=30)
    behind = {(await fresh.post(EXECUTION, execution("behind", 100)))[1]["data"]["hook_id"] for _ in range(10)}
    others = {(await fresh.post(LIFECYCLE, lifecycle("other", instance_id="1")))[1]["data"]["hook_id"]}
    await fresh.eventually(lambda: stored(fresh, others), within=15)
    assert not await stored(fresh, behind)
    await fresh.eventually(lambda: there_are(range(20, 52)), within=15)

    assert (await fresh.post(f"/admin/agents/{agent}/resume", {"topic": topic}))[0] == 200
    await fresh.eventually(lambda: stored(fresh, behind), within=30)

    await fresh.eventually(lambda: there_are(range(200, 201)), within=30)

    async def found() -> bool:
        return bool((await fresh.get("/intelligence/baselines?tool=behind"))[1]["data"]["baselines"])

    await fresh.eventually(found, within=30)
    assert (await fresh.get("/health"))[1]["data"]["status"] == "healthy"
    assert await fresh.worker.terminate() == 0


async def test_hooks_22_a_kill_under_load_loses_and_doubles_nothing(fresh: Bridge) -> None:
    """Also intelligence, Acceptance 18: an anomaly that was under way is one pattern and one row."""
    fresh.worker.start()
    await fresh.eventually(fresh.is_ready, within=30)
    ids: set[str] = set()
    ended = asyncio.Event()

    async def client(number: int) -> None:
        while not ended.is_set():
            try:
                status, answer = await fresh.post(LIFECYCLE, lifecycle(f"killed-{number}", instance_id=str(len(ids))))
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(0.05)
                continue
            if status == 200:
                ids.add(answer["data"]["hook_id"])

    clients = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
    await fresh.eventually(lambda: _reached(ids, 300), within=60)
    spike = [execution("killed", ms) for ms in (150, 160, 170, 2500)]
    status, answer = await fresh.post("/hooks/batch", spike)
    assert (status, answer["data"]["accepted"]) == (200, 4)
    await fresh.worker.kill()
    fresh.worker.start()
    await fresh.eventually(fresh.is_ready, within=60)
    before = len(ids)
    await fresh.eventually(lambda: _reached(ids, before + 100), within=60)
    ended.set()
    await asyncio.gather(*clients)
    await fresh.eventually(lambda: stored(fresh, ids), within=60)

    async def anomalies() -> Any:
        return await fresh.postgres.fetch(
            "SELECT pattern_id FROM intelligence_patterns WHERE pattern_type = 'performance_anomaly' "
            "AND pattern_data->'affected_tools' ? 'killed'"
        )

    assert len(await fresh.eventually(anomalies, within=60)) == 1
    _, listed = await fresh.get("/intelligence/patterns?pattern_type=performance_anomaly&tool=killed")
    assert listed["data"]["total_patterns"] == 1
    assert await fresh.worker.terminate() == 0


async def _reached(ids: set[str], number: int) -> bool:
    return len(ids) >= number


def _with(seen: list[tuple[str, dict[str, Any]]], ids: set[str]) -> list[dict[str, Any]]:
    return [event for _, event in seen if event["metadata"].get("hook_id") in ids]
