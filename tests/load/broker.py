"""Topics of a benchmark: made, filled, copied, recounted, and deleted afterwards."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bridge_app.runtime.producer import partition_of

MIB = 1024 * 1024


class Broker:
    """A Kafka that is already there. Every topic whose name contains `mark` is deleted at the end."""

    def __init__(self, servers: str, *, mark: str, partitions: int) -> None:
        self.servers = servers
        self.partitions = partitions
        self._mark = mark
        self._admin = AIOKafkaAdminClient(bootstrap_servers=servers)

    async def __aenter__(self) -> Self:
        await self._admin.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        names = [name for name in await self._admin.list_topics() if self._mark in name]
        await self._admin.delete_topics(names)
        await self._admin.close()

    async def create(self, topic: str, *, compacted: bool = False) -> None:
        config = {"cleanup.policy": "compact" if compacted else "delete", "max.message.bytes": str(2 * MIB)}
        await self._admin.create_topics([NewTopic(topic, self.partitions, 1, topic_configs=config)])

    async def fill(self, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Make a topic of records, each in the partition of its key."""
        await self.create(topic)
        await self.send(topic, records)

    async def send(self, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Add records to a topic as fast as it takes them, each to the partition of its key."""
        by_partition: dict[int, list[tuple[bytes, bytes | None]]] = defaultdict(list)
        for key, value in records:
            by_partition[partition_of(key, self.partitions)].append((key, value))
        await self._send(topic, by_partition)

    async def copy(self, source: str, target: str) -> int:
        """Make a compacted topic with the records of another, partition by partition; return how many there are."""
        await self.create(target, compacted=True)
        by_partition: dict[int, list[tuple[bytes, bytes | None]]] = defaultdict(list)
        async for partition, key, value in self._read(source):
            by_partition[partition].append((key, value))
        await self._send(target, by_partition)
        return sum(map(len, by_partition.values()))

    async def recount(self, changelog: str, events_of: Callable[[bytes], int]) -> int:
        """Return the events that a changelog's last values add up to; `events_of` reads one value."""
        last = {key: value async for _partition, key, value in self._read(changelog)}
        return sum(events_of(value) for value in last.values() if value is not None)

    async def _send(self, topic: str, by_partition: dict[int, list[tuple[bytes, bytes | None]]]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.servers, acks="all", max_batch_size=MIB // 4)
        async with producer:
            for partition, records in by_partition.items():
                batch = producer.create_batch()
                for key, value in records:
                    if batch.append(timestamp=None, key=key, value=value) is None:
                        await producer.send_batch(batch, topic, partition=partition)
                        batch = producer.create_batch()
                        batch.append(timestamp=None, key=key, value=value)
                await producer.send_batch(batch, topic, partition=partition)
            await producer.flush()

    async def _read(self, topic: str) -> AsyncIterator[tuple[int, bytes, bytes | None]]:
        async with _whole_topic(self.servers, topic, self.partitions) as (consumer, ends):
            position = dict.fromkeys(ends, 0)
            while any(position[tp] < end for tp, end in ends.items()):
                for tp, records in (await consumer.getmany(timeout_ms=1000)).items():
                    for record in records:
                        yield tp.partition, record.key, record.value
                    position[tp] = records[-1].offset + 1


@asynccontextmanager
async def _whole_topic(
    servers: str, topic: str, partitions: int
) -> AsyncIterator[tuple[AIOKafkaConsumer, dict[TopicPartition, int]]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="earliest")
    async with consumer:
        tps = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(tps)
        yield consumer, await consumer.end_offsets(tps)
