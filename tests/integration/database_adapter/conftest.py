"""The adapter in this process, on the real Kafka and PostgreSQL."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from agents.database_adapter import DatabaseAdapter
from bridge_app.clock import SystemClock
from bridge_app.effects.postgres import Postgres
from bridge_app.events.envelope import Identity
from bridge_app.settings import Settings
from tests.lab.waiting import eventually

IDENTITY = Identity("omninode-bridge", "0.1.0", "w1", "omninode-bridge-w1", "test")


class Bench:
    """The adapter's surroundings: its topics, its tables, and something to send with."""

    def __init__(
        self,
        settings: Settings,
        sql: "asyncpg.Connection[asyncpg.Record]",
        producer: AIOKafkaProducer,
        admin: AIOKafkaAdminClient,
    ) -> None:
        self.settings = settings
        self.sql = sql
        self.producer = producer
        self._admin = admin

    async def create(self, topic: str, *, partitions: int = 2, dead_letters: bool = True) -> None:
        """Create a topic and its dead-letter topic."""
        names = [topic, f"{topic}.dlq"] if dead_letters else [topic]
        await self._admin.create_topics([NewTopic(name, partitions, 1) for name in names])

    async def send(self, topic: str, values: Sequence[Any], *, key: bytes | None = b"k", **options: Any) -> None:
        """Send values (bytes and None as they are, the rest as JSON) in one burst; all are acknowledged."""
        sent = [
            await self.producer.send(
                topic,
                value if value is None or isinstance(value, bytes) else orjson.dumps(value),
                key=key,
                **options,
            )
            for value in values
        ]
        for acknowledgement in sent:
            await acknowledgement

    async def count(self, table: str = "event_logs") -> int:
        try:
            return int(await self.sql.fetchval(f"SELECT count(*) FROM {table}"))
        except asyncpg.UndefinedTableError:
            return 0

    async def until_rows(self, expected: int, table: str = "event_logs", *, seconds: float = 30.0) -> None:
        async def reached() -> bool:
            return await self.count(table) >= expected

        await eventually(reached, f"{expected} rows in {table}", seconds=seconds)
        assert await self.count(table) == expected

    async def lag(self, topic: str, partitions: int = 2) -> int:
        """Return how many records of a topic the adapter's group has not committed."""
        parts = [TopicPartition(topic, number) for number in range(partitions)]
        committed = await self._admin.list_consumer_group_offsets(self.settings.adapter_group, partitions=parts)
        consumer = AIOKafkaConsumer(bootstrap_servers=list(self.settings.kafka_bootstrap_servers))
        await consumer.start()
        try:
            ends = await consumer.end_offsets(parts)
        finally:
            await consumer.stop()
        return sum(ends[part] - max(0, committed[part].offset if part in committed else 0) for part in parts)

    async def until_committed(self, topic: str, partitions: int = 2) -> None:
        async def done() -> bool:
            return await self.lag(topic, partitions) == 0

        await eventually(done, f"commit of all of {topic}")

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Drop the records of a partition before an offset, as retention does."""
        await self._admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})

    async def members(self) -> set[str]:
        """Return the ids of the members of the adapter's group."""
        (response,) = await self._admin.describe_consumer_groups([self.settings.adapter_group])
        return {member[0] for group in response.groups for member in group[5]}


def altered(settings: Settings, **fields: Any) -> Settings:
    """Return the settings with some fields set otherwise."""
    return dataclasses.replace(settings, **fields)


@asynccontextmanager
async def run_adapter(settings: Settings, **options: Any) -> AsyncIterator[DatabaseAdapter]:
    """Run the adapter until the block ends; whatever made it crash fails the test."""
    postgres = Postgres(settings)
    adapter = DatabaseAdapter(settings, IDENTITY, postgres, SystemClock(), **options)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(postgres.stop)
        await postgres.start()
        stack.push_async_callback(adapter.stop)
        await adapter.start()
        yield adapter
        assert adapter.crash_reason is None


@pytest.fixture
def settings(
    make_settings: Callable[..., Settings], stack: Mapping[str, str], database: Mapping[str, str], unique_prefix: str
) -> Settings:
    return make_settings(
        **{**stack, **database, "KAFKA_TOPIC_PREFIX": unique_prefix, "ADAPTER_EXTRA_TOPICS": f"{unique_prefix}extra*"}
    )


@pytest.fixture
async def bench(settings: Settings, kafka: str, sql: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[Bench]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    try:
        await producer.start()
        await admin.start()
        yield Bench(settings, sql, producer, admin)
        mine = [name for name in await admin.list_topics() if name.startswith(settings.kafka_topic_prefix)]
        await admin.delete_topics(mine)
    finally:
        await producer.stop()
        await admin.close()


@pytest.fixture
async def adapter(settings: Settings, bench: Bench) -> AsyncIterator[DatabaseAdapter]:
    async with run_adapter(settings) as running:
        yield running
