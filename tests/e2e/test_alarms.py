"""What stops is told of on `system.errors` (hooks §11, database-adapter §6)."""

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition

from bridge_app.effects.outbox.record import Span, decode, scan
from tests.e2e.bridge import Bridge, lifecycle
from tests.e2e.deployment import PARTITIONS, deployment
from tests.e2e.test_metrics import scrape, value
from tests.lab.cluster import Cluster

PORT = 27096
HOOKS = "hooks.service_lifecycle"


@pytest.fixture
async def cluster(kafka: str) -> AsyncIterator[Cluster]:
    found = Cluster(kafka)
    await found.start()
    yield found
    await found.stop()


async def told(cluster: Cluster, bridge: Bridge) -> dict[str, dict[str, Any]]:
    """Return the payloads of all alarms so far, by name."""
    return by_name([record.value for record in await cluster.read(bridge.topic("system.errors"))])


def by_name(values: Iterable[bytes]) -> dict[str, dict[str, Any]]:
    events = [orjson.loads(value) for value in values]
    assert all(event["event_type"] == "error.service.critical" for event in events)
    return {event["payload"]["context_info"]["alarm"]: event["payload"] for event in events}


def kept_in_outbox(bridge: Bridge) -> dict[str, dict[str, Any]]:
    """Return the payloads of the alarms that a worker which has ended left in its outbox, by name."""
    found = []
    for path in (bridge.worker.data_folder / "outbox").glob("*.segment"):
        data = path.read_bytes()
        found += [decode(data, span) for span in scan(data, int(path.stem)) if isinstance(span, Span)]
    return by_name([record.value for record in found if record.topic == bridge.topic("system.errors")])


async def test_an_agent_that_stops_is_told_of_before_the_worker_ends(
    stack: Mapping[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    """Like all that is published, an alarm that Kafka does not acknowledge in time is in the outbox."""
    async with deployment(stack, tmp_path, PORT) as bridge:
        await cluster.create(bridge.topic("intelligence.observations"), int(PARTITIONS), max_message_bytes="500")
        bridge.worker.start()
        await bridge.eventually(bridge.is_ready, within=60)
        assert (await bridge.post("/hooks/service/lifecycle", lifecycle("too-much", instance_id="1")))[0] == 200
        assert await bridge.worker.exit_code() == 1

        alarm = {**kept_in_outbox(bridge), **await told(cluster, bridge)}["agent_stopped.intelligence_observe"]
    assert alarm["error_info"]["error_type"] == "AGENT_STOPPED"
    assert "MessageSizeTooLargeError" in alarm["error_info"]["message"]
    assert alarm["recovery_actions"]


async def test_database_adapter_13_a_topic_that_stops_is_told_of_once(
    stack: Mapping[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    async with deployment(stack, tmp_path, PORT) as bridge:
        bridge.worker.start()
        await bridge.eventually(bridge.is_ready, within=60)
        topic = bridge.topic(HOOKS)
        name = f"topic_stopped.database_adapter.{topic}"
        await cluster.send(topic, b"k", *[b"{"] * 40)

        async def adapter_stopped() -> dict[str, Any] | None:
            return (await told(cluster, bridge)).get(name)

        alarm = await bridge.eventually(adapter_stopped, within=30)
        assert (alarm["error_info"]["error_type"], alarm["error_info"]["occurrence_count"]) == ("TOPIC_STOPPED", 1)
        families = await scrape(bridge)
        assert value(families, "bridge_adapter_topic_stopped", topic=HOOKS) == 1
        letters = {"agent": "database_adapter", "reason": "INVALID_JSON"}
        assert value(families, "bridge_dead_letter_messages_total", **letters) == 20
        assert await bridge.worker.terminate() == 0


async def test_records_that_retention_took_are_counted_and_told(
    stack: Mapping[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    async with deployment(stack, tmp_path, PORT, KAFKA_TOPIC_PARTITIONS="1") as bridge:
        bridge.worker.start()
        await bridge.eventually(bridge.is_ready, within=60)
        assert (await bridge.post("/hooks/service/lifecycle", lifecycle("kept", instance_id="1")))[0] == 200

        async def stored() -> bool:
            return bool(await bridge.postgres.fetchval("SELECT count(*) FROM event_logs WHERE event_key = 'kept'"))

        await bridge.eventually(stored, within=30)
        assert await bridge.worker.terminate() == 0
        topic = bridge.topic(HOOKS)
        await cluster.send(topic, b"k", *[b'{"event_type": "my.own"}'] * 10)
        await cluster.delete_before(TopicPartition(topic, 0), 7)
        bridge.worker.start()
        group = f"{bridge.topic('')}database-adapter-effect-group"
        name = f"records_lost.{group}.{topic}.0.1"

        async def loss_told() -> dict[str, Any] | None:
            return (await told(cluster, bridge)).get(name)

        alarm = await bridge.eventually(loss_told, within=60)
        assert alarm["error_info"]["error_type"] == "RECORDS_LOST"
        assert (alarm["context_info"]["first"], alarm["context_info"]["records"]) == (1, 6)
        assert value(await scrape(bridge), "bridge_adapter_records_lost_total") == 6
        assert await bridge.worker.terminate() == 0
