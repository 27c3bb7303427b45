"""Idempotent sends in whole batches, every acknowledgement awaited.

Stock Faust puts changelog records into a buffer, logs a failed send and commits the source offset anyway, and its
`flush` gives up after 100 ms without progress. Here a send returns when the broker acknowledged it, or raises.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
import structlog
from aiokafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError
from aiokafka.partitioner import murmur2
from faust.transport.drivers import aiokafka as driver

from bridge_app.backoff import SEND, Backoff
from bridge_app.kafka_clients import cut
from bridge_app.patience import within

if TYPE_CHECKING:
    from bridge_app.runtime.app import BridgeApp

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: A send that takes so long is reason to look whether the topic is still there.
LOOK_SECONDS = 2.0
STOP_SECONDS = 5.0


class Send(msgspec.Struct, frozen=True):
    """A record to be sent; `value` None is a tombstone, `timestamp_ms` None takes the time of sending."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int | None = None
    headers: list[tuple[str, bytes]] | None = None


@lru_cache(maxsize=65536)
def partition_of(key: bytes | None, partitions: int) -> int:
    """Return the partition of a key as Java clients choose it (murmur2 of the key, sign bit cleared); 0 without key."""
    return 0 if key is None else cast(int, (murmur2(key) & 0x7FFFFFFF) % partitions)


class BatchProducer(driver.Producer):
    """The worker's producer: `acks=all`, idempotent, so a batch is neither lost nor doubled while a broker is away."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        """Return the client.

        Before each of its requests the fence is asked again: records may have waited in it while the process was frozen
        or the network away, and would be written behind those of the new owner. Its batches never expire: of a
        partition without a leader it would give up one that has its sequence number already, and the broker refuses
        all that come after the gap.
        """
        client = super()._new_producer(transactional_id)
        client._message_accumulator._batch_ttl = math.inf
        sender = client._sender
        send_request = sender._send_produce_req
        app = cast("BridgeApp", self.app)

        async def send_as_member(node_id: int, batches: Any) -> None:
            await app.until_member()
            await send_request(node_id, batches)

        sender._send_produce_req = send_as_member
        return client

    async def on_stop(self) -> None:
        """Disconnect, within bounds: what was not acknowledged by now comes again."""
        client = self._producer
        if not await within(super().on_stop(), STOP_SECONDS, cast("BridgeApp", self.app).kafka_answers):
            log.warning("producer_stopped_unflushed")
            await cut(client)

    async def produce(
        self,
        topic: str,
        partition: int,
        records: Iterable[Send],
        *,
        allowed: Callable[[], None],
        retried: Callable[[], None] = lambda: None,
    ) -> int:
        """Send records to one partition, in order, and wait until the broker has acknowledged all of them.

        Retriable failures are tried again without limit, from 0.1 s doubling to 5 s; a topic of the catalogue that was
        deleted is created anew. `allowed` is called before each try and raises when nothing may be written any more,
        `retried` when a failure is going to be tried again.

        Returns:
            The offset of the last record.

        Raises:
            KafkaError: the broker refuses the records for good.
        """
        pending = list(records)

        def attempt() -> Awaitable[int]:
            return self._while_topic_exists(topic, self._produce_once(topic, partition, pending))

        return await self._retried(attempt, allowed=allowed, retried=retried, topic=topic, partition=partition)

    async def _retried(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        allowed: Callable[[], None],
        retried: Callable[[], None],
        **place: str | int,
    ) -> T:
        backoff = Backoff(*SEND)
        while True:
            allowed()
            try:
                return await attempt()
            except KafkaError as error:
                if not error.retriable:
                    raise
                log.warning("send_retried", **place, error=repr(error))
            retried()
            await asyncio.sleep(backoff.next())

    async def _produce_once(self, topic: str, partition: int, records: Sequence[Send]) -> int:
        client = self._ensure_producer()
        sent: list[asyncio.Future[Any]] = []
        batch = client.create_batch()
        for one in records:
            if batch.append(timestamp=one.timestamp_ms, key=one.key, value=one.value, headers=one.headers) is None:
                sent.append(await self._enqueue(batch, topic, partition))
                batch = client.create_batch()
                batch.append(timestamp=one.timestamp_ms, key=one.key, value=one.value, headers=one.headers)
        in_last = batch.record_count()
        sent.append(await self._enqueue(batch, topic, partition))
        acknowledged = await asyncio.gather(*sent)
        last: int = acknowledged[-1].offset + in_last - 1
        return last

    async def _enqueue(self, batch: Any, topic: str, partition: int) -> "asyncio.Future[Any]":
        """Give a batch to the client when it has room for it, which it has when the batch before it has been sent.

        The client gives that up after a request timeout, with an error that is not retriable. To try the whole send
        again would send the batches before it twice.
        """
        while True:
            try:
                return cast(
                    "asyncio.Future[Any]",
                    await self._ensure_producer().send_batch(batch, topic, partition=partition),
                )
            except KafkaTimeoutError:
                log.warning("send_waits_for_room", topic=topic, partition=partition)

    async def _while_topic_exists(self, topic: str, sending: Coroutine[Any, Any, int]) -> int:
        """Wait for a send; see to it meanwhile that its topic is there."""
        task = asyncio.create_task(sending)
        try:
            while not (await asyncio.wait({task}, timeout=LOOK_SECONDS))[0]:
                await self._restore(topic)
            return task.result()
        finally:
            task.cancel()

    async def _restore(self, topic: str) -> None:
        """Create the topics of the catalogue again that the broker, according to the client, no longer has."""
        if self._ensure_producer().client.cluster.partitions_for_topic(topic):
            return
        log.warning("topic_missing", topic=topic)
        try:
            await cast("BridgeApp", self.app).restore_topics()
        except (KafkaError, OSError) as error:
            log.warning("topic_not_restored", topic=topic, error=repr(error))

    async def _partition_count(self, topic: str) -> int:
        client = self._ensure_producer()
        while True:
            try:
                return len(await asyncio.wait_for(client.partitions_for(topic), LOOK_SECONDS))
            except (TimeoutError, UnknownTopicOrPartitionError):
                await self._restore(topic)

    async def produce_keyed(
        self,
        sends: Iterable[tuple[str, Send]],
        *,
        allowed: Callable[[], None],
        retried: Callable[[], None] = lambda: None,
    ) -> None:
        """Send records of several topics, each to the partition of its key; per key in order. As `produce`."""
        by_partition: dict[tuple[str, int], list[Send]] = defaultdict(list)
        counts: dict[str, int] = {}
        for topic, send in sends:
            if topic not in counts:
                counts[topic] = await self._retried(
                    partial(self._partition_count, topic), allowed=allowed, retried=retried, topic=topic
                )
            by_partition[topic, partition_of(send.key, counts[topic])].append(send)
        await asyncio.gather(
            *(
                self.produce(topic, partition, records, allowed=allowed, retried=retried)
                for (topic, partition), records in by_partition.items()
            )
        )
