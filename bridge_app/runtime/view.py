"""Replicated views: small sets that every worker must read, tailed from a topic into memory.

A view has no consumer group and no offsets of its own: each worker reads all partitions, from the beginning of a
compacted topic or from some time ago, and says when it has caught up with what was there at the start. It goes on over
outages of the broker; while Kafka is away it answers with what it has.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from bridge_app.backoff import CONNECT, Backoff
from bridge_app.clock import Clock
from bridge_app.events.record import Record

log = structlog.get_logger(__name__)

FETCH_WAIT_MS = 500
#: A broker that does not say within this time where its partitions end is taken for away.
LOOK_SECONDS = 1.0


class TopicTail(Service):
    """Call `apply` with every record of a topic, per partition in order.

    `since_seconds` None reads from the beginning, else from that many seconds ago by the records' times. A record may
    come again after a reconnection: `apply` must be idempotent. An exception of `apply` stops the worker.
    `client_options` are those of `kafka_clients`.
    """

    def __init__(
        self,
        *,
        client_options: Mapping[str, Any],
        topic: str,
        apply: Callable[[Record], None],
        clock: Clock,
        since_seconds: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.topic = topic
        self._client_options = client_options
        self._apply = apply
        self._clock = clock
        self._since_seconds = since_seconds
        self._next: dict[TopicPartition, int] = {}
        self._target: dict[TopicPartition, int] | None = None
        self._moved = asyncio.Event()
        self._asker: AIOKafkaConsumer | None = None
        self._look: asyncio.Task[dict[TopicPartition, int] | None] | None = None
        self._looking = asyncio.Lock()

    @property
    def caught_up(self) -> bool:
        """Whether everything that was in the topic at the start has been applied."""
        return self._target is not None and self._is_at(self._target)

    async def catch_up(self, seconds: float) -> bool:
        """Wait until every record that was acknowledged before this call has been applied, for at most `seconds`.

        Returns:
            Whether they have been; False also while Kafka is away.
        """
        try:
            async with asyncio.timeout(seconds):
                ends = await self._current_ends()
                while ends is not None and not self._is_at(ends):
                    await self._moved.wait()
        except TimeoutError:
            return False
        return ends is not None

    async def _current_ends(self) -> dict[TopicPartition, int] | None:
        """Return where the partitions end; callers that come while the broker is being asked share the next answer."""
        if self._look is None:
            self._look = asyncio.create_task(self._look_at_ends())
        return await asyncio.shield(self._look)

    async def _look_at_ends(self) -> dict[TopicPartition, int] | None:
        async with self._looking:
            self._look = None  # what is acknowledged from here on may be missing in the answer
            if self.should_stop or not self._next:
                return None
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    return await self._ask_for_ends()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("view_ends_unknown", topic=self.topic, error=repr(error))
                await self._forget_asker()
                return None

    async def _ask_for_ends(self) -> dict[TopicPartition, int]:
        """Ask with a client of its own: behind a fetch that waits for records a connection answers nothing."""
        if self._asker is None:
            self._asker = AIOKafkaConsumer(**self._client_options, group_id=None)
            await self._asker.start()
        ends: dict[TopicPartition, int] = await self._asker.end_offsets(list(self._next))
        return ends

    async def _forget_asker(self) -> None:
        asker, self._asker = self._asker, None
        if asker is not None:
            await asker.stop()

    async def on_stop(self) -> None:
        async with self._looking:
            await self._forget_asker()

    def _is_at(self, ends: dict[TopicPartition, int]) -> bool:
        return all(self._next.get(tp, 0) >= end for tp, end in ends.items())

    @Service.task
    async def _tail(self) -> None:
        backoff = Backoff(*CONNECT)
        while not self.should_stop:
            try:
                await self._tail_once()
            except (KafkaError, OSError) as error:
                log.warning("view_waiting_for_kafka", topic=self.topic, error=str(error))
                await self.sleep(backoff.next())

    async def _tail_once(self) -> None:
        consumer = AIOKafkaConsumer(
            self.topic,
            **self._client_options,
            group_id=None,  # the client then assigns every partition, also those that are added later
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
            await self._seek(consumer, list(consumer.assignment()))
            while not self.should_stop:
                for tp, records in (await consumer.getmany(timeout_ms=FETCH_WAIT_MS)).items():
                    for record in records:
                        self._apply(record)
                    self._next[tp] = records[-1].offset + 1
                self._tell_moved()
        finally:
            await consumer.stop()

    def _tell_moved(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _seek(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        ends = await consumer.end_offsets(partitions)
        for tp, offset in (await self._starts(consumer, partitions, ends)).items():
            self._next.setdefault(tp, offset)
            consumer.seek(tp, self._next[tp])
        if self._target is None:
            self._target = dict(ends)

    async def _starts(
        self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition], ends: dict[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        if self._since_seconds is None:
            starts: dict[TopicPartition, int] = await consumer.beginning_offsets(partitions)
            return starts
        since_ms = self._clock.now_us() // 1000 - self._since_seconds * 1000
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
        return {tp: ends[tp] if found[tp] is None else found[tp].offset for tp in partitions}
