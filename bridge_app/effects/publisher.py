"""Publish the events of web views: return when Kafka has them, or refuse."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownProducerId,
)
from mode import Service

from bridge_app.effects.publish_meter import measured_publication
from bridge_app.errors import InternalError, PayloadTooLarge, ServiceUnavailable
from bridge_app.events.envelope import Event, encode
from bridge_app.kafka_clients import client_options
from bridge_app.metrics import Metrics
from bridge_app.settings import Settings

log = structlog.get_logger(__name__)

#: Hooks that arrive within this time share a request to the broker.
LINGER_MS = 2
#: A batch is refused as a whole, so it is far smaller than the smallest record limit anybody sets for a topic.
MAX_BATCH_BYTES = 64 * 1024
#: More than any topic of the bridge takes: which records are too large is the broker's to say.
MAX_REQUEST_BYTES = 4 * 1024 * 1024
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 5.0
STOP_SECONDS = 5.0

#: The broker waits for a batch that it refused or never saw, and nothing of this producer gets to the partition any
#: more; or another request has noticed that already, and the producer is closed.
PRODUCER_LOST = (OutOfOrderSequenceNumber, UnknownProducerId, ProducerFenced, ProducerClosed)


class Publisher(Service):
    """A producer of its own, apart from Faust's, so that it is there before Faust's is, and while that one recovers.

    Idempotent, `acks=all`, partitioned by the murmur2 of the key as Java clients do. It connects in the background and
    again after every outage. Per key events keep the order in which they were handed in. An idempotent producer numbers
    its batches and does not get over one that the broker refused: it is replaced then.
    """

    def __init__(self, settings: Settings, metrics: Metrics | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._producer: AIOKafkaProducer | None = None
        self._renewal: asyncio.Future[None] | None = None

    async def publish(self, events: Sequence[tuple[str, Event]]) -> None:
        """Publish events, each to a topic of the catalogue, and wait for every acknowledgement.

        An event whose acknowledgement did not come in time may still reach Kafka afterwards.

        Raises:
            ServiceUnavailable: not all acknowledged within `kafka_timeout_seconds`.
            PayloadTooLarge: the broker refuses the size of a record.
            InternalError: the broker refuses this client.
        """
        try:
            async with asyncio.timeout(self._settings.kafka_timeout_seconds):
                with measured_publication(self._metrics, [topic for topic, _event in events]):
                    await self._deliver(events)
        except TimeoutError as error:
            seconds = self._settings.kafka_timeout_seconds
            raise ServiceUnavailable(f"Kafka did not acknowledge within {seconds:g} s") from error
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise PayloadTooLarge("The event is larger than Kafka takes") from error
        except TopicAuthorizationFailedError as error:
            log.error("publication_refused", error=repr(error))
            raise InternalError("Kafka refuses the bridge's credentials") from error
        except KafkaError as error:
            log.warning("publication_failed", error=repr(error))
            raise ServiceUnavailable("Kafka did not take the event") from error

    async def probe(self) -> None:
        """Return when a broker answered with its metadata.

        Raises:
            ConnectionError: none did.
        """
        if self._producer is None or not await self._producer.client.force_metadata_update():
            raise ConnectionError("no broker answers")

    async def on_stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _retire(producer)

    @Service.task
    async def _connect(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while not self.should_stop:
            producer = self._new_producer()
            try:
                await producer.start()
            except (KafkaError, OSError) as error:
                await producer.stop()
                log.warning("publisher_waiting_for_kafka", error=str(error), retry_seconds=delay)
                await self.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)
            else:
                self._producer = producer
                return

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **client_options(self._settings),
            client_id=f"{self._settings.app_id}-web",
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MS,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
        )

    async def _deliver(self, events: Sequence[tuple[str, Event]]) -> None:
        while True:
            producer = self._producer
            if producer is None:
                raise ServiceUnavailable("Kafka is not reachable")
            try:
                await asyncio.gather(*await self._send(producer, events))
            except PRODUCER_LOST:
                await asyncio.shield(self._renew(producer))
            except KafkaError:
                self._renew(producer)
                raise
            else:
                return

    async def _send(self, producer: AIOKafkaProducer, events: Sequence[tuple[str, Event]]) -> list[asyncio.Future[Any]]:
        """Hand the records to the producer, in order; return what becomes done with their acknowledgements."""
        pending = []
        for topic, event in events:
            record = encode(self._settings.topic(topic), event)
            pending.append(
                await producer.send(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    timestamp_ms=record.timestamp_ms,
                    headers=record.headers,
                )
            )
        return pending

    def _renew(self, producer: AIOKafkaProducer) -> asyncio.Future[None]:
        """Replace a producer, once for all who ask for it."""
        if self._renewal is None or self._renewal.done():
            self._renewal = self.add_future(self._replace(producer))
        return self._renewal

    async def _replace(self, producer: AIOKafkaProducer) -> None:
        if self._producer is not producer:
            return
        fresh = self._new_producer()
        try:
            await fresh.start()
        except (KafkaError, OSError) as error:
            await fresh.stop()
            log.warning("publisher_not_renewed", error=str(error))
            return
        self._producer = fresh
        log.warning("publisher_renewed")
        self.add_future(_retire(producer))


async def _retire(producer: AIOKafkaProducer) -> None:
    """Flush and close a producer, in bounded time."""
    try:
        await asyncio.wait_for(producer.stop(), STOP_SECONDS)
    except TimeoutError:
        log.warning("publisher_stopped_unflushed", waited_seconds=STOP_SECONDS)
        await producer.client.close()
