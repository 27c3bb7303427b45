"""The way to Kafka for events of web views: one producer at a time, given up as soon as it is in doubt."""

import asyncio
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from bridge_app.events.envelope import Outgoing
from bridge_app.kafka_clients import client_options, cut, started
from bridge_app.runtime.producer import partition_of
from bridge_app.settings import Settings

log = structlog.get_logger(__name__)

#: Hooks that arrive within this time share a request to the broker.
LINGER_MS = 2
#: A batch is refused as a whole, so it is far smaller than the smallest record limit anybody sets for a topic.
MAX_BATCH_BYTES = 64 * 1024
#: More than any topic of the bridge takes: which records are too large is the broker's to say.
MAX_REQUEST_BYTES = 4 * 1024 * 1024
STOP_SECONDS = 5.0
#: A broker that takes longer to answer is as good as none (resilience §2). But to connect takes four round trips: who
#: is far away, or busy, would never get there, so each attempt that was cut gives the next one twice as long.
CONNECT_SECONDS = 1.0
LONGEST_CONNECT_SECONDS = 4.0


class ProducerLink:
    """A producer of its own, apart from Faust's, so that it is there before Faust's is, and while that one recovers.

    Idempotent, `acks=all`, partitioned by the murmur2 of the key as Java clients do. An idempotent producer numbers its
    batches and does not get over one that the broker refused or never saw, and its client takes long to find a broker
    again that was restarted: it is abandoned then, and `connect` makes a new one.
    """

    def __init__(self, settings: Settings, *, max_batch_bytes: int = MAX_BATCH_BYTES) -> None:
        self._settings = settings
        self._max_batch_bytes = max_batch_bytes
        self._producer: AIOKafkaProducer | None = None
        self._connected = asyncio.Event()
        self._abandoned = asyncio.Event()
        self._abandoned.set()
        self._closing: set[asyncio.Task[None]] = set()
        self._connect_seconds = CONNECT_SECONDS

    @property
    def is_connected(self) -> bool:
        return self._producer is not None

    async def connect(self) -> None:
        """Connect, in bounded time; the brokers have answered with their metadata when this returns.

        Raises:
            ConnectionError: no broker answers, or not in time.
        """
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            client_id=f"{self._settings.app_id}-web",
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MS,
            max_batch_size=self._max_batch_bytes,
            max_request_size=MAX_REQUEST_BYTES,
        )
        try:
            async with asyncio.timeout(self._connect_seconds) as limit:
                self._producer = await started(producer)
        except (KafkaError, OSError) as error:
            if not limit.expired():
                raise ConnectionError(str(error)) from error
            waited = self._connect_seconds
            self._connect_seconds = min(2 * waited, LONGEST_CONNECT_SECONDS)
            raise ConnectionError(f"no answer within {waited:g} s") from error
        self._connect_seconds = CONNECT_SECONDS
        self._connected.set()
        self._abandoned.clear()

    async def until_connected(self) -> None:
        """Return when there is a connection."""
        await self._connected.wait()

    async def until_abandoned(self) -> None:
        """Return when there is no connection."""
        await self._abandoned.wait()

    async def probe(self) -> None:
        """Return when a broker has answered with its metadata.

        Raises:
            ConnectionError: none does.
        """
        if self._producer is None or not await self._producer.client.force_metadata_update():
            raise ConnectionError("no broker answers")

    async def has_topic(self, topic: str) -> bool:
        """Tell whether Kafka has a topic. One that is not for this client counts as there: sending tells what is wrong.

        Raises:
            ConnectionError: no broker answers.
        """
        if self._producer is None:
            raise ConnectionError("no connection")
        client = self._producer.client
        if not client.cluster.partitions_for_topic(topic):
            client.add_topic(topic)
            if not await client.force_metadata_update():
                raise ConnectionError("no broker answers")
        return bool(client.cluster.partitions_for_topic(topic)) or topic in client.cluster.unauthorized_topics

    async def send(self, record: Outgoing) -> "asyncio.Future[Any]":
        """Hand over one record, as soon as there is a connection; per key in the order of the calls.

        The future is done when the broker has acknowledged the record, or fails with a KafkaError. It may stay as it
        is when the producer is abandoned.
        """
        await self._connected.wait()
        assert self._producer is not None
        try:
            acknowledged: asyncio.Future[Any] = await self._producer.send(
                record.topic,
                value=record.value,
                key=record.key,
                partition=_partition(self._producer, record),
                timestamp_ms=record.timestamp_ms,
                headers=record.headers,
            )
        except KafkaError as error:
            acknowledged = asyncio.get_running_loop().create_future()
            acknowledged.set_exception(error)
        acknowledged.add_done_callback(_take_note)
        return acknowledged

    def abandon(self) -> None:
        """Give the producer up, at once: what it has not sent yet it never will, nobody hears of what it has sent.

        At most one request per broker is under way then, with one batch per partition. Whether or not it arrives,
        every partition holds a beginning of what was handed over, so handing all of it over again keeps the order.
        """
        producer, self._producer = self._producer, None
        self._connected.clear()
        self._abandoned.set()
        if producer is not None:
            closing = asyncio.create_task(cut(producer))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def stop(self) -> None:
        """Send what was handed over, in bounded time, and disconnect."""
        producer, self._producer = self._producer, None
        self._connected.clear()
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), STOP_SECONDS)
            except TimeoutError:
                log.warning("producer_stopped_unflushed", waited_seconds=STOP_SECONDS)
                await producer.client.close()
        if self._closing:
            await asyncio.wait(self._closing)


def _partition(producer: AIOKafkaProducer, record: Outgoing) -> int | None:
    """Return the partition that the client would choose, None where it has to ask first: a lookup is far faster than
    its murmur2.
    """
    known = producer.client.cluster.partitions_for_topic(record.topic)
    return partition_of(record.key, len(known)) if known else None


def _take_note(acknowledged: "asyncio.Future[Any]") -> None:
    """Look at an outcome that nobody may be waiting for any more, lest it is logged as forgotten."""
    if not acknowledged.cancelled():
        acknowledged.exception()
