"""Replicated views: small sets that every worker must read, tailed from a topic into memory.

A view has no consumer group and no offsets of its own: each worker reads all partitions, from the beginning of a
compacted topic or from some time ago, and says when it has caught up with what was there at the start. It goes on over
outages of the broker; while Kafka is away it answers with what it has.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from bridge_app.clock import Clock
from bridge_app.events.record import Record

log = structlog.get_logger(__name__)

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 5.0
FETCH_WAIT_MS = 500


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

    @property
    def caught_up(self) -> bool:
        """Whether everything that was in the topic at the start has been applied."""
        return self._target is not None and all(self._next.get(tp, 0) >= end for tp, end in self._target.items())

    @Service.task
    async def _tail(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while not self.should_stop:
            try:
                await self._tail_once()
            except (KafkaError, OSError) as error:
                log.warning("view_waiting_for_kafka", topic=self.topic, error=str(error), retry_seconds=delay)
                await self.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)

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
        finally:
            await consumer.stop()

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
