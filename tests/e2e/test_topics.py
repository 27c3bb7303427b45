"""The topics of a running bridge (conventions §2)."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from bridge_app import topics
from tests.e2e.bridge import Bridge, Events, lifecycle
from tests.e2e.deployment import PARTITIONS, deployment
from tests.lab.cluster import Cluster

PORT = 27076
FIRST_NINE = [topic.name for topic in topics.PUBLIC[:9]]


@pytest.fixture
async def cluster(kafka: str) -> AsyncIterator[Cluster]:
    found = Cluster(kafka)
    await found.start()
    yield found
    await found.stop()


async def until_healthy(bridge: Bridge) -> None:
    async def healthy() -> bool:
        return await bridge.is_ready() and (await bridge.get("/health"))[1]["data"]["status"] == "healthy"

    await bridge.eventually(healthy, within=30)


async def post(bridge: Bridge, **body: Any) -> str:
    """Post a hook; return the id of its event."""
    status, answer = await bridge.post(
        "/hooks/service/lifecycle", lifecycle(f"s-{uuid4().hex[:8]}", instance_id="1", **body)
    )
    assert status == 200, answer
    return str(answer["data"]["hook_id"]).removeprefix("hook_")


async def test_conventions_02_every_topic_exists_once_healthy(bridge: Bridge, cluster: Cluster) -> None:
    await until_healthy(bridge)
    for topic in topics.with_dead_letters(topics.CATALOGUE, ".dlq"):
        found = await cluster.partitions(bridge.topic(topic.name))
        assert len(found) == (topic.partitions or int(PARTITIONS)), topic.name


async def test_conventions_02_with_the_first_nine_of_one_partition_events_go_their_whole_way(
    stack: Mapping[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    async with deployment(stack, tmp_path, PORT) as bridge:
        for name in FIRST_NINE:
            await cluster.create(bridge.topic(name), 1)
        bridge.worker.start()
        await until_healthy(bridge)
        for name in FIRST_NINE:
            assert len(await cluster.partitions(bridge.topic(f"{name}.dlq"))) == 1, name

        async with bridge.tail("hooks.service_lifecycle", "intelligence.patterns") as tail:
            event_id = await post(bridge, correlation_id="test-correlation-123")
            hook = await tail.first(lambda event: event["event_id"] == event_id, within=10)
            pattern = await tail.first(lambda event: event["event_type"].startswith("intelligence.pattern"), within=20)
        for event in (hook, pattern):
            assert event["correlation_id"] == "test-correlation-123"
            assert {"envelope_version", "source", "trace_id", "partition_key", "payload"} <= event.keys()
        status, answer = await bridge.post("/hooks/service/lifecycle", {"hook_type": "service_started"})
        assert (status, answer["success"]) == (422, False)
        assert await bridge.worker.terminate() == 0


async def test_conventions_03_a_prefix_leaves_the_topics_of_the_same_name_alone(
    stack: Mapping[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    """The twins have the name of this deployment's own prefix without its last part."""
    outer = f"e2e-{uuid4().hex[:12]}."
    async with deployment(stack, tmp_path, PORT, KAFKA_TOPIC_PREFIX=f"{outer}t1.") as bridge:
        twin = f"{outer}hooks.service_lifecycle"
        await cluster.create(twin, 1)
        try:
            bridge.worker.start()
            await until_healthy(bridge)
            event_id = await post(bridge)
            stored = await cluster.read(f"{outer}t1.hooks.service_lifecycle")
            assert any(event_id.encode() in record.value for record in stored)
            assert await cluster.read(twin) == []
            assert await bridge.worker.terminate() == 0
        finally:
            await cluster.delete(twin)


async def test_a_dead_letter_topic_that_was_deleted_is_made_again_when_it_is_needed(
    bridge: Bridge, cluster: Cluster
) -> None:
    topic = bridge.topic("hooks.tool_execution")
    await cluster.delete(f"{topic}.dlq")
    await cluster.send(topic, b"tool", b"no JSON")

    async def letter() -> bool:
        return bool(await cluster.partitions(f"{topic}.dlq")) and bool(await cluster.read(f"{topic}.dlq"))

    await bridge.eventually(letter, within=40)
    assert bridge.worker.is_running


async def test_resilience_07_co_partitioned_topics_that_differ_end_the_start_with_code_3_and_the_cure(
    stack: Mapping[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    async with deployment(stack, tmp_path, PORT) as bridge:
        first, second = bridge.topic("workflow.requests"), bridge.topic("workflow.ticks")
        await cluster.create(first, 3)
        await cluster.create(second, 1)
        assert await bridge.worker.start().exit_code() == 3
        assert f"topic {second} has 1 partitions, expected 3 as {first} has" in bridge.worker.log
        assert "recreate it with that number of partitions" in bridge.worker.log


async def test_topics_read_beside_one_that_exists_get_its_partitions(
    stack: Mapping[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    async with deployment(stack, tmp_path, PORT) as bridge:
        await cluster.create(bridge.topic("workflow.ticks"), 3)
        bridge.worker.start()
        await until_healthy(bridge)
        for name in ("workflow.requests", "workflow.step_results", "workflow.requests.dlq"):
            assert len(await cluster.partitions(bridge.topic(name))) == 3, name
        assert await bridge.worker.terminate() == 0


async def test_a_topic_at_its_limit_makes_health_unhealthy_which_names_agent_topic_and_error(
    stack: Mapping[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    async with deployment(stack, tmp_path, PORT, KAFKA_ENABLE_DLQ="false") as bridge:
        bridge.worker.start()
        await until_healthy(bridge)
        topic = bridge.topic("hooks.service_lifecycle")
        await cluster.send(topic, b"shop", b"no JSON")

        async def both_stopped() -> bool:
            data = (await bridge.get("/health"))[1]["data"]
            return data["status"] == "unhealthy" and len(data["problems"]) == 2

        await bridge.eventually(both_stopped, within=30)
        problems = "\n".join((await bridge.get("/health"))[1]["data"]["problems"])
        for agent in ("intelligence_observe", "database_adapter"):
            assert f"{agent} stopped topic {topic}: INVALID_JSON" in problems

        async with bridge.tail("system.errors") as errors:
            body = {"topic": topic}
            assert (await bridge.post("/admin/agents/intelligence_observe/resume", body))[0] == 200
            await errors.until(partial(told_again, f"topic_stopped.intelligence_observe.{topic}"), within=30)
        assert await bridge.worker.terminate() == 0


def told_again(alarm: str, events: Events) -> bool:
    """Return whether an alarm was over, and then raised once more."""
    types = [event["event_type"] for _, event in events if event["payload"]["context_info"]["alarm"] == alarm]
    return types[-2:] == ["error.service.recovered", "error.service.critical"]
