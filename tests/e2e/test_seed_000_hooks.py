"""The scenarios of seed 000 that this release serves, against a running worker and the real services.

Names are those of the seed. Each test uses service names of its own, because they share one worker.
"""

import asyncio
import time
from typing import Any

from tests.e2e.bridge import Bridge, lifecycle


async def test_hook_to_intelligence_pipeline(bridge: Bridge) -> None:
    hook = lifecycle(
        "test-service",
        instance_id="test-001",
        host="localhost",
        port=8000,
        capabilities=["test_capability"],
        startup_info={
            "startup_time_ms": 2500,
            "initialization_steps": [
                {"step": "load_config", "duration_ms": 200, "status": "success"},
                {"step": "init_database", "duration_ms": 300, "status": "success"},
            ],
        },
    )
    async with bridge.tail("intelligence.patterns") as patterns:
        status, answer = await bridge.post("/hooks/service/lifecycle", hook)
        event = await patterns.first(lambda found: _is_about(found, "test-service"), within=15)

    assert status == 200
    assert answer["success"] is True
    assert answer["data"]["hook_id"].startswith("hook_")
    assert answer["data"]["event_published"] is True
    assert answer["data"]["intelligence_analysis"]["patterns_discovered"]
    assert event["event_type"] == "intelligence.pattern.discovered"
    assert event["payload"]["pattern_info"]["pattern_type"] in ("startup_performance", "service_initialization")


async def test_complete_event_pipeline(bridge: Bridge) -> None:
    async with bridge.tail("hooks.service_lifecycle", "intelligence.patterns", "intelligence.performance") as events:
        for i in range(3):
            hook = lifecycle(f"pipeline-{i}", instance_id=f"pipeline-{i:03d}", startup_time_ms=2000 + i * 100)
            assert (await bridge.post("/hooks/service/lifecycle", hook))[0] == 200
        mine = [f"pipeline-{i}" for i in range(3)]
        found = await events.until(
            lambda all_events: (
                len(_of(all_events, "hooks.service_lifecycle", mine)) >= 3
                and len(_of(all_events, "intelligence.patterns", mine)) >= 3
                and len(_of(all_events, "intelligence.performance", mine)) >= 3
            ),
            within=20,
        )

    lifecycle_events = _of(found, "hooks.service_lifecycle", mine)
    assert {event["event_type"] for event in lifecycle_events} == {"service.lifecycle.started"}
    assert all("service_info" in event["payload"] for event in lifecycle_events)
    pattern_events = _of(found, "intelligence.patterns", mine)
    assert {event["event_type"] for event in pattern_events} == {"intelligence.pattern.discovered"}
    assert all("pattern_info" in event["payload"] for event in pattern_events)


async def test_event_ordering_and_correlation(bridge: Bridge) -> None:
    correlation_id = "test-correlation-123"
    hook = {**lifecycle("correlation-test-service", instance_id="correlation-001"), "correlation_id": correlation_id}
    async with bridge.tail("hooks.service_lifecycle", "intelligence.patterns") as events:
        await bridge.post("/hooks/service/lifecycle", hook, headers={"X-Correlation-ID": correlation_id})
        found = await events.until(
            lambda all_events: (
                {"hooks.service_lifecycle", "intelligence.patterns"}
                <= {topic for topic, event in all_events if event["correlation_id"] == correlation_id}
            ),
            within=15,
        )

    mine = [(topic, event) for topic, event in found if event["correlation_id"] == correlation_id]
    cause = next(event for topic, event in mine if topic == "hooks.service_lifecycle")
    derived = [event for topic, event in mine if topic == "intelligence.patterns"]
    assert all(event["trace_id"] == cause["trace_id"] for event in derived)
    assert derived[0]["causation_id"] == cause["event_id"]
    assert min(event["timestamp"] for event in derived) >= cause["timestamp"]


async def test_event_failure_and_retry_patterns(bridge: Bridge) -> None:
    malformed = {"hook_type": "invalid_hook_type", "invalid_payload": {"missing_required_fields": True}}
    async with bridge.tail("hooks.service_lifecycle") as events:
        status, answer = await bridge.post("/hooks/service/lifecycle", malformed)
        assert status == 422
        assert answer["success"] is False
        assert answer["error"]["code"] == "INVALID_HOOK_TYPE"
        assert set(answer["error"]["details"]["allowed"]) >= {"service_started", "service_stopped", "health_changed"}

        valid = lifecycle("recovery-test-service", instance_id="recovery-001")
        status, answer = await bridge.post("/hooks/service/lifecycle", valid)
        assert status == 200
        assert answer["success"] is True
        await events.first(lambda event: event["payload"]["service_info"]["instance_id"] == "recovery-001", within=10)

    assert not [event for _, event in events.seen if "invalid_payload" in event["payload"]]


async def test_pattern_discovery_across_multiple_hooks(bridge: Bridge) -> None:
    for i in range(5):
        hook = lifecycle(
            f"pattern-test-service-{i}",
            instance_id=f"pattern-{i:03d}",
            startup_time_ms=2000 + i * 200,
            startup_info={
                "initialization_steps": [
                    {"step": "load_config", "duration_ms": 100 + i * 20},
                    {"step": "init_database", "duration_ms": 200 + i * 30},
                ]
            },
        )
        assert (await bridge.post("/hooks/service/lifecycle", hook))[0] == 200

    async def covers_all() -> dict[str, Any] | None:
        _, answer = await bridge.get("/intelligence/patterns?pattern_type=startup_performance")
        assert answer["success"] is True
        wanted = {f"pattern-test-service-{i}" for i in range(5)}
        return next((p for p in answer["data"]["patterns"] if wanted <= set(p["affected_services"])), None)

    pattern = await bridge.eventually(covers_all, within=15)
    assert pattern["pattern_type"] == "startup_performance"
    assert pattern["confidence_score"] >= 0.7
    assert len(pattern["affected_services"]) >= 3


async def test_a_pattern_is_a_row_in_postgres_and_its_events_are_rows_of_the_record(bridge: Bridge) -> None:
    started = time.time()
    _, answer = await bridge.post("/hooks/service/lifecycle", lifecycle("row-service", instance_id="row-1"))
    event_id = answer["data"]["hook_id"].removeprefix("hook_")

    async def row() -> Any:
        return await bridge.postgres.fetchrow(
            "SELECT pattern_type, confidence_score, pattern_data::text AS data FROM intelligence_patterns "
            "WHERE pattern_data->'affected_services' ? 'row-service' AND pattern_type = 'service_initialization'"
        )

    pattern = await bridge.eventually(row, within=10)
    assert pattern["confidence_score"] == 0.6667

    logged = await bridge.eventually(
        lambda: bridge.postgres.fetch(
            "SELECT event_type, topic FROM event_logs WHERE event_id = $1::uuid OR causation_id IN "
            "($1::uuid, (SELECT event_id FROM event_logs WHERE causation_id = $1::uuid LIMIT 1))",
            event_id,
        ),
        within=10,
    )
    assert ("service.lifecycle.started", bridge.topic("hooks.service_lifecycle")) in {tuple(row) for row in logged}
    assert time.time() - started < 20


async def test_every_hook_of_two_workers_is_stored_once(bridge: Bridge) -> None:
    async with bridge.second_worker():
        posts = [lifecycle(f"pair-{i % 20}", instance_id=f"pair-{i}") for i in range(200)]
        answers = await asyncio.gather(*(bridge.post("/hooks/service/lifecycle", post) for post in posts))
    ids = [answer["data"]["hook_id"].removeprefix("hook_") for status, answer in answers if status == 200]
    assert len(ids) == 200

    async def all_stored() -> bool:
        query = "SELECT count(*) FROM event_logs WHERE event_id = ANY($1::uuid[])"
        return bool(await bridge.postgres.fetchval(query, ids) == 200)

    await bridge.eventually(all_stored, within=30)


def _is_about(event: dict[str, Any], service: str) -> bool:
    return service in event["payload"]["pattern_info"]["affected_services"]


def _of(events: list[tuple[str, dict[str, Any]]], topic: str, services: list[str]) -> list[dict[str, Any]]:
    return [
        event for found, event in events if found == topic and any(name in str(event["payload"]) for name in services)
    ]
