"""Finds records that retention deleted before they were read: they are gone, but not silently (database-adapter §7)."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition


class Loss(NamedTuple):
    """The offsets from `first` up to, but not including, `next` of a partition were deleted unread."""

    topic: str
    partition: int
    first: int
    next: int

    @property
    def records(self) -> int:
        """How many offsets that are; compaction and transactions leave some of them empty."""
        return self.next - self.first


class LossWatch:
    """Minds where reading should go on, per partition; `lost` is called for each loss.

    A consumer that resets itself to the earliest record says nothing when it jumps.
    """

    def __init__(self, lost: Callable[[Loss], None]) -> None:
        self._lost = lost
        self._next: dict[TopicPartition, int] = {}

    async def begin(self, consumer: AIOKafkaConsumer) -> None:
        """Look at the partitions that were just assigned, before anything of them is committed."""
        self._next.clear()
        partitions = list(consumer.assignment())
        beginnings = await consumer.beginning_offsets(partitions) if partitions else {}
        cut = [tp for tp in partitions if beginnings[tp] > 0]
        committed = await asyncio.gather(*map(consumer.committed, cut))
        for tp, expected in zip(cut, committed, strict=True):
            if expected is not None:
                self._compare(tp, expected, beginnings[tp])

    async def note(self, consumer: AIOKafkaConsumer, tp: TopicPartition, first: int, last: int) -> None:
        """Note fetched records; when offsets before them were jumped over, ask whether they were deleted.

        Compaction and transactions leave gaps, too, that are no loss.
        """
        if first > self._next.get(tp, first):
            beginnings = await consumer.beginning_offsets([tp])
            self._compare(tp, self._next[tp], beginnings[tp])
        self._next[tp] = last + 1

    def _compare(self, tp: TopicPartition, expected: int, beginning: int) -> None:
        if expected < beginning:
            self._lost(Loss(tp.topic, tp.partition, expected, beginning))
        self._next[tp] = max(expected, beginning)
