"""The publisher against a real broker."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bridge_app.errors import PayloadTooLarge
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Event
from bridge_app.settings import Settings
from tests.lab.publishing import publishing

TOPIC = "hooks.service_lifecycle"
#: A record that is older than its topic's retention may be deleted before it is read.
TIME_US = time.time_ns() // 1_000_000 * 1000
DEADLINE_SECONDS = 20
MakeSettings = Callable[..., Settings]


def new_event(number: int, **payload: Any) -> Event:
    return Event(
        event_id=str(uuid4()),
        event_type="service.lifecycle.started",
        time_us=TIME_US + number,
        correlation_id="c",
        trace_id=uuid4().hex,
        partition_key="orders",
        payload={"number": number, **payload},
        source_node_id="n",
    )


@pytest.fixture
async def prefix(kafka: str, unique_prefix: str) -> AsyncIterator[str]:
    """The prefix of a topic that takes records of up to 100,000 bytes."""
    async with topics(kafka, unique_prefix) as create:
        await create()
        yield unique_prefix


@asynccontextmanager
async def topics(kafka: str, prefix: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Yield what creates the topic; it is deleted at the end."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    name = prefix + TOPIC

    async def create() -> None:
        await admin.create_topics([NewTopic(name, 3, 1, topic_configs={"max.message.bytes": "100000"})])

    await admin.start()
    yield create
    await admin.delete_topics([name])
    await admin.close()


async def read(kafka: str, topic: str, count: int) -> list[Event]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return [decode(await anext(consumer)) for _ in range(count)]
    finally:
        await consumer.stop()


async def test_conventions_03_events_are_on_the_prefixed_topic_in_order(
    kafka: str, prefix: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    events = [new_event(number) for number in range(50)]
    settings = make_settings(KAFKA_BOOTSTRAP_SERVERS=kafka, KAFKA_TOPIC_PREFIX=prefix)

    async with publishing(settings, tmp_path) as lab:
        await lab.until_connected()
        outcomes = await asyncio.gather(*(lab.publisher.publish([(TOPIC, event)]) for event in events[:30]))
        assert all(outcomes)
        assert await lab.publisher.publish([(TOPIC, event) for event in events[30:]])
        await lab.publisher.probe()

    read_back = await read(kafka, prefix + TOPIC, len(events))
    assert [event.event_id for event in read_back] == [event.event_id for event in events]
    assert {event.position.timestamp_ms for event in read_back if event.position} == {TIME_US // 1000}


async def test_a_record_that_the_broker_finds_too_large_is_refused_and_the_next_goes_through(
    kafka: str, prefix: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(KAFKA_BOOTSTRAP_SERVERS=kafka, KAFKA_TOPIC_PREFIX=prefix)

    async with publishing(settings, tmp_path) as lab:
        await lab.until_connected()
        assert await lab.publisher.publish([(TOPIC, new_event(0))])
        with pytest.raises(PayloadTooLarge):
            await lab.publisher.publish([(TOPIC, new_event(1, text="x" * 200_000))])
        with pytest.raises(PayloadTooLarge):
            await lab.publisher.publish([(TOPIC, new_event(1, text="x" * 5_000_000))])
        assert await lab.publisher.publish([(TOPIC, new_event(2))])

    assert [event.payload["number"] for event in await read(kafka, prefix + TOPIC, 2)] == [0, 2]


async def test_a_refused_record_takes_none_of_its_neighbours_along(
    kafka: str, prefix: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(KAFKA_BOOTSTRAP_SERVERS=kafka, KAFKA_TOPIC_PREFIX=prefix)
    too_large = {7, 20}
    events = [new_event(number, text="x" * (200_000 if number in too_large else 10)) for number in range(40)]

    async with publishing(settings, tmp_path) as lab:
        await lab.until_connected()
        outcomes = await asyncio.gather(
            *(lab.publisher.publish([(TOPIC, event)]) for event in events), return_exceptions=True
        )
        await lab.until_replayed()

    assert isinstance(outcomes[7], PayloadTooLarge)
    assert isinstance(outcomes[20], PayloadTooLarge) or len(lab.rejected()) == 1
    assert all(isinstance(outcome, bool) for number, outcome in enumerate(outcomes) if number not in too_large)
    stored = [event.payload["number"] for event in await read(kafka, prefix + TOPIC, 38)]
    assert list(dict.fromkeys(stored)) == [number for number in range(40) if number not in too_large]


async def test_while_a_record_waits_every_new_event_queues_up_behind_it(
    kafka: str, prefix: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(KAFKA_BOOTSTRAP_SERVERS=kafka, KAFKA_TOPIC_PREFIX=prefix, OUTBOX_REPLAY_RATE=50)
    async with publishing(settings, tmp_path) as lab:
        await lab.until_connected()
        lab.breaker.open("for the test")
        assert not await lab.publisher.publish([(TOPIC, new_event(number)) for number in range(50)])
        lab.breaker.reset()
        late = [await lab.publisher.publish([(TOPIC, new_event(number))]) for number in range(50, 60)]
        await lab.until_replayed()
        assert not any(late)
        assert await lab.publisher.publish([(TOPIC, new_event(60))])

    assert [event.payload["number"] for event in await read(kafka, prefix + TOPIC, 61)] == list(range(61))


async def test_a_topic_that_does_not_exist_yet_is_waited_for(
    kafka: str, unique_prefix: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(
        KAFKA_BOOTSTRAP_SERVERS=kafka, KAFKA_TOPIC_PREFIX=unique_prefix, KAFKA_TIMEOUT_SECONDS="0.5"
    )

    async with publishing(settings, tmp_path) as lab, topics(kafka, unique_prefix) as create:
        await lab.until_connected()
        assert await lab.publisher.publish([(TOPIC, new_event(0))]) is False
        await create()
        await lab.until_replayed()

        assert [event.payload["number"] for event in await read(kafka, unique_prefix + TOPIC, 1)] == [0]


async def test_a_broker_that_comes_later_is_found(
    kafka: str, prefix: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    host, port = kafka.split(",")[0].rsplit(":", 1)
    gate = await asyncio.start_server(lambda r, w: _forward(r, w, host, int(port)), "127.0.0.1", 0)
    gate_port = gate.sockets[0].getsockname()[1]
    gate.close()
    await gate.wait_closed()
    settings = make_settings(
        KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{gate_port}", KAFKA_TOPIC_PREFIX=prefix, KAFKA_TIMEOUT_SECONDS="0.5"
    )

    async with publishing(settings, tmp_path) as lab:
        assert await lab.publisher.publish([(TOPIC, new_event(0))]) is False
        gate = await asyncio.start_server(lambda r, w: _forward(r, w, host, int(port)), "127.0.0.1", gate_port)
        await lab.until_replayed()
        assert await lab.publisher.publish([(TOPIC, new_event(1))])
        gate.close()

    assert [event.payload["number"] for event in await read(kafka, prefix + TOPIC, 2)] == [0, 1]


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    upstream_reader, upstream_writer = await asyncio.open_connection(host, port)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()

    await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer), return_exceptions=True)
