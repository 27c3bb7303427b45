"""A member of a group finds where to read with one question, however many partitions it gets."""

from collections import Counter, defaultdict
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from bridge_app.kafka_clients import started
from bridge_app.kafka_positions import PositionFetcher
from tests.lab.cluster import Cluster
from tests.lab.waiting import eventually

PARTITIONS = 24
QUESTION = "OffsetFetchRequest"
#: A commit of its own at the end would overwrite what the test has committed.
OPTIONS: dict[str, Any] = {"auto_offset_reset": "earliest", "enable_auto_commit": False}


def counted(consumer: AIOKafkaConsumer) -> Counter[str]:
    """Return how many requests of each kind a consumer sends from now on."""
    sent: Counter[str] = Counter()
    send = consumer._client.send

    async def count(node_id: int, request: Any, **options: Any) -> Any:
        sent[type(request).__name__] += 1
        return await send(node_id, request, **options)

    consumer._client.send = count
    return sent


async def test_what_was_committed_is_asked_for_at_once(kafka: str, unique_prefix: str) -> None:
    topic, group = f"{unique_prefix}x", f"{unique_prefix}group"
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    cluster = Cluster(kafka)
    await cluster.start()
    try:
        await cluster.create(topic, PARTITIONS)
        for number in range(8 * PARTITIONS):
            await cluster.send(topic, str(number).encode(), b"")
        ends = await cluster.ends(topic)
    finally:
        await cluster.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=group, **OPTIONS)
    await started(consumer)
    consumer.assign(partitions)
    committed = {tp: ends[tp] // 2 for tp in partitions[::2] if ends[tp] > 1}
    await consumer.commit(committed)
    await consumer.stop()

    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=group, **OPTIONS)
    await started(consumer)
    assert isinstance(consumer._fetcher, PositionFetcher)
    sent = counted(consumer)
    read: dict[TopicPartition, list[int]] = defaultdict(list)

    async def all_read() -> bool:
        for tp, records in (await consumer.getmany(timeout_ms=100)).items():
            read[tp] += [record.offset for record in records]
        return sum(map(len, read.values())) >= sum(ends.values()) - sum(committed.values())

    try:
        consumer.subscribe([topic])
        await eventually(all_read, "the rest of every partition", seconds=30)
    finally:
        await consumer.stop()
    assert dict(read) == {tp: list(range(committed.get(tp, 0), end)) for tp, end in ends.items() if end}
    assert 1 <= sent[QUESTION] < 4  # one; a coordinator that is still loading the group is asked again
