"""Consumers that fetch in sessions get every record once and in order, whatever happens to the session."""

import itertools
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bridge_app.kafka_clients import started
from bridge_app.kafka_fetch_sessions import SessionFetcher
from tests.lab.cluster import Cluster
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.waiting import eventually

PARTITIONS = 8


class Lab:
    """Three topics, a producer, and a consumer of all their partitions."""

    def __init__(self, servers: str, prefix: str) -> None:
        self.servers = servers
        self.partitions = [TopicPartition(f"{prefix}{name}", n) for name in "xyz" for n in range(PARTITIONS)]
        self.read: dict[TopicPartition, list[int]] = defaultdict(list)
        self.sent: dict[TopicPartition, list[int]] = defaultdict(list)
        self._numbers = itertools.count()
        self._cluster = Cluster(servers)
        self._producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
        self.consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")

    async def __aenter__(self) -> "Lab":
        await self._cluster.start()
        for topic in sorted({tp.topic for tp in self.partitions}):
            await self._cluster.create(topic, PARTITIONS)
        await self._producer.start()
        await started(self.consumer)
        self.consumer.assign(self.partitions)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.consumer.stop()
        await self._producer.stop()
        await self._cluster.stop()

    @property
    def sessions(self) -> dict[int, Any]:
        assert isinstance(self.consumer._fetcher, SessionFetcher)
        return self.consumer._fetcher._sessions

    async def send(self, *partitions: TopicPartition) -> None:
        for tp in partitions:
            number = next(self._numbers)
            await self._producer.send_and_wait(tp.topic, str(number).encode(), partition=tp.partition)
            self.sent[tp].append(number)

    async def poll(self) -> None:
        for tp, records in (await self.consumer.getmany(timeout_ms=100)).items():
            self.read[tp] += [int(record.value) for record in records]

    async def until_all_is_read(self) -> None:
        async def all_read() -> bool:
            await self.poll()
            return self.read == self.sent

        await eventually(all_read, "every record, once and in order", seconds=30)


@pytest.fixture
async def lab(kafka: str, unique_prefix: str) -> AsyncIterator[Lab]:
    async with Lab(kafka, unique_prefix) as lab:
        yield lab


async def test_records_of_many_partitions_come_once_and_in_order(lab: Lab) -> None:
    await lab.send(*lab.partitions)
    await lab.until_all_is_read()
    for tp in (*lab.partitions[:3], *lab.partitions[:2], *lab.partitions):
        await lab.send(tp)
        await lab.until_all_is_read()
    (session,) = lab.sessions.values()
    assert session.epoch > 2, "the session was kept"


async def test_a_paused_partition_is_read_when_it_goes_on(lab: Lab) -> None:
    await lab.send(*lab.partitions)
    await lab.until_all_is_read()
    paused, others = lab.partitions[:4], lab.partitions[4:]
    lab.consumer.pause(*paused)
    await lab.poll()  # a fetch that was under way may still bring something
    before = {tp: list(lab.read[tp]) for tp in paused}
    await lab.send(*paused)
    for _ in range(3):
        await lab.send(*others)
        await eventually(lambda: _polled(lab, others), "the others go on", seconds=20)
    assert {tp: lab.read[tp] for tp in paused} == before
    lab.consumer.resume(*paused)
    await lab.until_all_is_read()


async def _polled(lab: Lab, partitions: list[TopicPartition]) -> bool:
    await lab.poll()
    return all(lab.read[tp] == lab.sent[tp] for tp in partitions)


async def test_after_a_seek_the_records_come_again(lab: Lab) -> None:
    await lab.send(*lab.partitions)
    await lab.until_all_is_read()
    for tp in lab.partitions[::3]:
        lab.consumer.seek(tp, 0)
        lab.read[tp].clear()
    await lab.until_all_is_read()


async def test_a_session_that_the_broker_has_dropped_is_begun_anew(lab: Lab) -> None:
    await lab.send(*lab.partitions)
    await lab.until_all_is_read()
    (session,) = lab.sessions.values()
    for spoilt in ({"id": 1}, {"epoch": 4711}):
        vars(session).update(spoilt)
        await lab.send(*lab.partitions)
        await lab.until_all_is_read()
    assert session.id > 1


async def test_a_new_assignment_is_read_with_the_records_that_came_meanwhile(lab: Lab) -> None:
    await lab.send(*lab.partitions)
    await lab.until_all_is_read()
    half, rest = lab.partitions[::2], lab.partitions[1::2]
    lab.consumer.assign(half)
    for tp in half:
        lab.consumer.seek(tp, 1)
    await lab.send(*half)
    await lab.until_all_is_read()
    lab.consumer.assign(lab.partitions)
    for tp in lab.partitions:
        lab.consumer.seek(tp, len(lab.read[tp]))
    await lab.send(*rest)
    await lab.until_all_is_read()


async def test_a_broker_that_was_restarted_is_read_on(own_kafka: OwnServer[ProxiedKafka]) -> None:
    await own_kafka.start()
    async with Lab(own_kafka.environ["KAFKA_BOOTSTRAP_SERVERS"], "restarted-") as lab:
        await lab.send(*lab.partitions)
        await lab.until_all_is_read()
        await own_kafka.kill()
        await own_kafka.start()
        await lab.send(*lab.partitions)
        await lab.until_all_is_read()
