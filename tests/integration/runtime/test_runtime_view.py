"""A replicated view against a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bridge_app.clock import SystemClock
from bridge_app.events.record import Record
from bridge_app.runtime.view import TopicTail
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.waiting import eventually

PARTITIONS = 4
SECONDS = 20.0


@pytest.fixture
async def topic(kafka: str, unique_prefix: str) -> AsyncIterator[str]:
    name = f"{unique_prefix}view"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    yield name
    await admin.delete_topics([name])
    await admin.close()


@asynccontextmanager
async def tailing(kafka: str, topic: str) -> AsyncIterator[tuple[TopicTail, list[bytes | None]]]:
    seen: list[bytes | None] = []

    def apply(record: Record) -> None:
        seen.append(record.value)

    tail = TopicTail(client_options={"bootstrap_servers": kafka}, topic=topic, apply=apply, clock=SystemClock())
    await tail.start()
    try:
        yield tail, seen
    finally:
        await tail.stop()


@asynccontextmanager
async def producing(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def test_what_was_acknowledged_before_is_applied_after_catching_up(kafka: str, topic: str) -> None:
    async with producing(kafka) as producer, tailing(kafka, topic) as (tail, seen):
        await eventually(lambda: tail.caught_up, "the view has read what was there")
        for number in range(200):
            value = str(number).encode()
            await producer.send_and_wait(topic, value, partition=number % PARTITIONS)
            assert await tail.catch_up(SECONDS)
            assert value in seen
        assert all(await asyncio.gather(*(tail.catch_up(SECONDS) for _ in range(100))))


async def test_before_it_is_connected_and_without_a_broker_it_says_that_it_cannot_catch_up(topic: str) -> None:
    async with tailing("127.0.0.1:1", topic) as (tail, _):
        assert not await tail.catch_up(SECONDS)


async def test_a_broker_that_hangs_is_not_waited_for_longer_than_asked(own_kafka: OwnServer[ProxiedKafka]) -> None:
    await own_kafka.start()
    servers = own_kafka.environ["KAFKA_BOOTSTRAP_SERVERS"]
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic("view", PARTITIONS, 1)])
    await admin.close()
    async with producing(servers) as producer, tailing(servers, "view") as (tail, seen):
        await eventually(lambda: tail.caught_up, "the view has read what was there")
        assert await tail.catch_up(SECONDS)

        await own_kafka.pause()
        try:
            assert not await asyncio.wait_for(tail.catch_up(0.2), SECONDS)
        finally:
            await own_kafka.resume()

        await producer.send_and_wait("view", b"afterwards", partition=0)
        await eventually(lambda: tail.catch_up(SECONDS), "the broker is asked again")
        assert b"afterwards" in seen
