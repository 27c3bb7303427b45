"""Acceptance 18 of intelligence.md: what comes twice, and a worker that is killed, change nothing."""

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from tests.e2e.bridge import Bridge, execution, lifecycle
from tests.e2e.deployment import deployment
from tests.e2e.producing import produce_all
from tests.lab.cluster import Cluster

PORT = 27106
EXECUTION = "/hooks/tool/execution"
USUAL, SPIKE = (150, 160, 170), 2500
HOOKS = ("hooks.service_lifecycle", "hooks.tool_execution")
#: Nothing may change by itself while a test looks.
ENVIRON = {"INTELLIGENCE_STARTUP_CONFIRM_SECONDS": "0", "INTELLIGENCE_COHORT_WINDOW_SECONDS": "3600"}


@pytest.fixture
async def fresh(stack: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Bridge]:
    """A bridge of its own, which runs."""
    async with deployment(stack, tmp_path, PORT, **ENVIRON) as found:
        found.worker.start()
        await found.eventually(found.is_ready, within=30)
        yield found
        assert await found.worker.terminate() == 0


@pytest.fixture
async def cluster(stack: Mapping[str, str]) -> AsyncIterator[Cluster]:
    found = Cluster(stack["KAFKA_BOOTSTRAP_SERVERS"])
    await found.start()
    yield found
    await found.stop()


async def rows(bridge: Bridge) -> list[tuple[Any, ...]]:
    """Return type, id, revision, status and occurrences of every pattern, as Postgres has them."""
    found = await bridge.postgres.fetch(
        "SELECT pattern_type, pattern_id::text, revision, status, (pattern_data ->> 'occurrences')::integer "
        "FROM intelligence_patterns ORDER BY 1, 2"
    )
    return [tuple(row) for row in found]


async def about(cluster: Cluster, bridge: Bridge, topic: str, tool: str) -> list[dict[str, Any]]:
    """Return the events of a topic that name a tool, each once however often it was sent."""
    events = [orjson.loads(record.value) for record in await cluster.read(bridge.topic(topic))]
    return list({event["event_id"]: event for event in events if f'"{tool}"' in str(orjson.dumps(event))}.values())


async def post(bridge: Bridge, body: dict[str, Any]) -> None:
    """Post a hook until it is accepted, under one key: a client that meets the kill."""
    headers = {"Idempotency-Key": str(uuid4())}

    async def accepted() -> bool:
        try:
            return (await bridge.post(EXECUTION, body, headers))[0] == 200
        except (aiohttp.ClientError, ConnectionError):
            return False

    await bridge.eventually(accepted, within=60)


async def killed(bridge: Bridge) -> None:
    await bridge.worker.kill()
    bridge.worker.start()


async def is_stored(bridge: Bridge, tool: str) -> bool:
    query = "SELECT count(*) FROM intelligence_patterns WHERE pattern_data -> 'affected_tools' ? $1"
    return bool(await bridge.postgres.fetchval(query, tool))


@pytest.mark.timeout(600)
async def test_intelligence_18_a_worker_killed_at_any_point_finds_one_anomaly(fresh: Bridge, cluster: Cluster) -> None:
    """Between two hooks, when all are accepted, when they are observed, when the pattern is out, when it is a row."""
    topics = ("intelligence.observations", "intelligence.patterns")
    points = ("hooks", "accepted", *topics, "stored")
    for point in points:
        tool = f"killed-{point}"
        async with fresh.tail(*topics) as tail:
            for number, time_ms in enumerate((*USUAL, SPIKE)):
                if point == "hooks" and number == len(USUAL):
                    await killed(fresh)
                await post(fresh, execution(tool, time_ms))
            if point in topics:
                await tail.until(lambda seen, point=point, tool=tool: _spike_is_on(seen, point, tool), within=60)  # type: ignore[misc]
            if point == "stored":
                await fresh.eventually(lambda tool=tool: is_stored(fresh, tool), within=60)  # type: ignore[misc]
        if point != "hooks":
            await killed(fresh)
        await fresh.eventually(fresh.is_ready, within=60)
    for point in points:
        tool = f"killed-{point}"
        await fresh.eventually(lambda tool=tool: is_stored(fresh, tool), within=60)  # type: ignore[misc]
        found = await about(cluster, fresh, "intelligence.patterns", tool)
        assert [event["payload"]["pattern_info"]["revision"] for event in found] == [1]
        anomalies = await about(cluster, fresh, "intelligence.performance", tool)
        detected = [one for one in anomalies if one["event_type"] == "intelligence.performance.anomaly_detected"]
        assert [one["payload"]["metrics_data"]["degradation_factor"] for one in detected] == [15.625]
    assert [row[2:] for row in await rows(fresh)] == [(1, "active", 1)] * len(points)


def _spike_is_on(seen: list[tuple[str, dict[str, Any]]], topic: str, tool: str) -> bool:
    return any(
        name == topic
        and f'"{tool}"' in str(orjson.dumps(event["payload"]))
        and (event["payload"].get("execution_time_ms") == SPIKE or "pattern_info" in event["payload"])
        for name, event in seen
    )


def stories() -> list[dict[str, Any]]:
    """Return the hooks of Acceptance 3, 4 and 12."""
    starts = [lifecycle(f"again-{ms}", instance_id="1", startup_time_ms=ms) for ms in (2000, 2200, 2400, 2600, 2800)]
    spike = [execution("again-4", ms, cpu=30, memory=100) for ms in (*USUAL, SPIKE)]
    relapse = [execution("again-12", ms) for ms in (*USUAL, 2500, 2600, 155, 160, 165, 2500)]
    return [*starts, *spike, *relapse]


async def settled(bridge: Bridge) -> list[tuple[Any, ...]]:
    """Return the rows of the stories once all is said about them."""

    async def found() -> list[tuple[Any, ...]] | None:
        now = await rows(bridge)
        confirmed = [row for row in now if row[0] == "service_initialization" and row[2] == 2]
        anomalies = sorted(row[2:] for row in now if row[0] == "performance_anomaly")
        groups = [row[4] for row in now if row[0] == "startup_performance"]
        is_all = len(confirmed) == 5 and groups == [3] and anomalies == [(1, "active", 1), (3, "active", 3)]
        return now if is_all else None

    return await bridge.eventually(found, within=60)


async def rewind(bridge: Bridge, group: str, topics: Iterable[str], cluster: Cluster) -> None:
    """Let an empty group read topics from their beginning."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bridge.environ["KAFKA_BOOTSTRAP_SERVERS"], group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [tp for topic in topics for tp in await cluster.partitions(bridge.topic(topic))]
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))
    finally:
        await consumer.stop()


async def caught_up(bridge: Bridge, cluster: Cluster, group: str, topics: Iterable[str]) -> None:
    """Wait until a group has committed what topics hold now."""
    ends = await cluster.ends(*map(bridge.topic, topics))

    async def reached() -> bool:
        committed = await cluster.committed(group)
        return all(committed.get(tp, 0) >= end for tp, end in ends.items())

    await bridge.eventually(reached, within=60)


@pytest.mark.timeout(600)
async def test_intelligence_18_events_consumed_twice_give_the_same_patterns(fresh: Bridge, cluster: Cluster) -> None:
    """The same offsets: the agents' group goes back to the beginning of the hooks."""
    status, answer = await fresh.post("/hooks/batch", stories())
    assert (status, answer["data"]["rejected"]) == (200, 0)
    before = await settled(fresh)
    consumed = await observations_of(fresh, cluster)

    assert await fresh.worker.terminate() == 0
    group = fresh.topic("omninode-bridge")
    await rewind(fresh, group, HOOKS, cluster)
    fresh.worker.start()
    await fresh.eventually(fresh.is_ready, within=60)
    await caught_up(fresh, cluster, group, HOOKS)
    await caught_up(fresh, cluster, group, ["intelligence.observations"])
    await caught_up(fresh, cluster, fresh.topic("database-adapter-effect-group"), ["intelligence.patterns"])

    assert await observations_of(fresh, cluster) >= 2 * consumed  # they came again, as observations at other offsets
    assert await rows(fresh) == before


async def observations_of(bridge: Bridge, cluster: Cluster) -> int:
    records = await cluster.read(bridge.topic("intelligence.observations"))
    return sum(orjson.loads(record.value)["event_type"] == "intelligence.observation" for record in records)


async def test_intelligence_18_events_sent_twice_give_the_same_patterns(fresh: Bridge, cluster: Cluster) -> None:
    """The same ids: a producer sends each event again, at another offset."""
    sent: list[tuple[bytes | None, bytes | None]] = []
    for time_ms in (*USUAL, 2500, 2600, 155, 160, 165, 2500):
        hook = execution("sent-twice", time_ms)
        event = {
            "event_id": str(uuid4()), "event_type": "tool.execution.completed", "payload": hook,
        }  # fmt: skip
        sent += [(b"sent-twice", orjson.dumps(event))] * 2
    await produce_all(fresh, "hooks.tool_execution", sent)

    async def found() -> list[tuple[Any, ...]] | None:
        now = await rows(fresh)
        return now if [row[2:] for row in now] == [(3, "active", 3)] else None

    await fresh.eventually(found, within=60)
    await caught_up(fresh, cluster, fresh.topic("omninode-bridge"), ["hooks.tool_execution"])
    assert [row[2:] for row in await rows(fresh)] == [(3, "active", 3)]
