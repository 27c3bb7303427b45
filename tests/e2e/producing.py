"""Records as other programs produce them, and the rows that they become."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.e2e.bridge import Bridge
from tests.lab.cluster import Cluster

Position = tuple[int, int]


async def produce_all(
    bridge: Bridge, topic: str, records: Sequence[tuple[bytes | None, bytes | None]]
) -> list[Position]:
    """Produce records, given as key and value, one after the other; return partition and offset of each."""
    async with producer_of(bridge) as producer:
        sent = [await producer.send_and_wait(bridge.topic(topic), value, key=key) for key, value in records]
    return [(one.partition, one.offset) for one in sent]


@asynccontextmanager
async def producer_of(bridge: Bridge) -> AsyncIterator[AIOKafkaProducer]:
    """Connect another program's producer for the time of the block."""
    producer = AIOKafkaProducer(bootstrap_servers=bridge.environ["KAFKA_BOOTSTRAP_SERVERS"])
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def produce_burst(producer: AIOKafkaProducer, topic: str, records: Iterable[tuple[bytes | None, bytes]]) -> None:
    """Produce records, given as key and value, as fast as it goes; return when all are acknowledged."""
    await asyncio.gather(*[await producer.send(topic, value, key=key) for key, value in records])


async def records_of(bridge: Bridge, topic: str, event_id: str) -> list[Any]:
    """Return the records of a topic whose value has this event id, of all that are there now."""
    cluster = Cluster(bridge.environ["KAFKA_BOOTSTRAP_SERVERS"])
    await cluster.start()
    try:
        return [one for one in await cluster.read(bridge.topic(topic)) if event_id.encode() in (one.value or b"")]
    finally:
        await cluster.stop()


async def rows_of(bridge: Bridge, topic: str, positions: Sequence[Position]) -> list[Any] | None:
    """Return the rows of records in their order, None until all are there."""
    rows = await bridge.postgres.fetch(
        "SELECT event_logs.* FROM unnest($2::integer[], $3::bigint[]) WITH ORDINALITY "
        'AS wanted ("partition", "offset", nr) JOIN event_logs USING ("partition", "offset") '
        "WHERE topic = $1 ORDER BY nr",
        bridge.topic(topic),
        [partition for partition, _ in positions],
        [offset for _, offset in positions],
    )
    return rows if len(rows) == len(positions) else None


async def letter_of(bridge: Bridge, topic: str, position: Position) -> Any:
    """Return the row of a record's dead letter, None when there is none."""
    return await bridge.postgres.fetchrow(
        "SELECT * FROM dead_letters WHERE original_topic = $1 AND original_partition = $2 AND original_offset = $3",
        bridge.topic(topic),
        *position,
    )
