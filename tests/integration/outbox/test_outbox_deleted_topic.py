"""A topic is deleted while a worker publishes to it: the rest goes on, and nothing that was answered is lost."""

from collections.abc import AsyncIterator

import orjson
import pytest

from tests.integration.outbox.outage import Outage, numbers
from tests.lab.cluster import Cluster
from tests.lab.waiting import eventually

pytestmark = pytest.mark.timeout(240)

DELETED = "hooks.tool_execution"


@pytest.fixture
async def cluster(outage: Outage) -> AsyncIterator[Cluster]:
    await outage.kafka.start()
    cluster = Cluster(outage.kafka.environ["KAFKA_BOOTSTRAP_SERVERS"])
    await cluster.start()
    yield cluster
    await cluster.stop()


async def test_resilience_03_a_deleted_topic_is_created_again_and_its_events_arrive(
    outage: Outage, cluster: Cluster
) -> None:
    await outage.start()
    executed = {"hook_type": "tool_executed", "execution_info": {"tool_name": "t", "execution_id": "1"}}
    assert (await outage.post_to("/hooks/tool/execution", executed)).is_published
    await cluster.delete(DELETED)

    lost_topic = await outage.post_to("/hooks/tool/execution", executed)
    answers = [await outage.post(number) for number in range(10)]
    assert {answer.status for answer in (lost_topic, *answers)} == {200}

    assert [event["event_id"] for event in await outage.events(10, seconds=90)] == [one.event_id for one in answers]
    assert numbers(await outage.events(10)) == list(range(10))

    async def arrived() -> bool:
        records = await cluster.read(DELETED) if await cluster.partitions(DELETED) else []
        return lost_topic.event_id in [orjson.loads(record.value)["event_id"] for record in records]

    await eventually(arrived, "the event is on the topic that was created again", seconds=90)
    await eventually(outage.publishes, "events go straight to Kafka again", seconds=60)
    assert (await outage.post_to("/hooks/tool/execution", executed)).is_published
    assert outage.worker.is_running
