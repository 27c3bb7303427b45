"""What was fetched and waits for its batch."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable

from bridge_app.domain.database_adapter.sorting import Reading
from bridge_app.events.record import Record


class Intake:
    """The records that were read and not yet taken, in order; who adds to it minds the bounds."""

    def __init__(self, *, batch_records: int, batch_bytes: int, linger_seconds: float) -> None:
        self.size_bytes = 0
        self._readings: deque[Reading] = deque()
        self._batch_records = batch_records
        self._batch_bytes = batch_bytes
        self._linger_seconds = linger_seconds
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._taken = asyncio.Event()

    def __len__(self) -> int:
        return len(self._readings)

    def add(self, readings: Iterable[Reading]) -> None:
        """Append records of one partition, in offset order."""
        for reading in readings:
            self._readings.append(reading)
            self.size_bytes += _weight(reading.record)
        self._announce()

    def drop_topics(self, topics: Collection[str]) -> None:
        """Forget the records of some topics: they are going to be read again."""
        self._readings = deque(reading for reading in self._readings if reading.record.topic not in topics)
        self.size_bytes = sum(_weight(reading.record) for reading in self._readings)
        self._taken.set()
        self._announce()

    def drop(self) -> None:
        """Forget everything: the partitions are about to be given away."""
        self._readings.clear()
        self.size_bytes = 0
        self._taken.set()
        self._announce()

    async def taken(self, timeout: float) -> bool:
        """Wait until a batch is taken or all is dropped; return whether that happened within `timeout` seconds."""
        self._taken.clear()
        return await _within(self._taken, timeout)

    async def batch(self) -> list[Reading]:
        """Return the next batch: a full one, or what there is when its first record has waited for the linger."""
        while True:
            await self._some.wait()
            await _within(self._full, self._linger_seconds)
            if self._readings:
                return self._take()

    def _take(self) -> list[Reading]:
        batch: list[Reading] = []
        size = 0
        while self._readings and len(batch) < self._batch_records:
            weight = _weight(self._readings[0].record)
            if batch and size + weight > self._batch_bytes:
                break
            size += weight
            batch.append(self._readings.popleft())
        self.size_bytes -= size
        self._taken.set()
        self._announce()
        return batch

    def _announce(self) -> None:
        _switch(self._some, bool(self._readings))
        _switch(self._full, len(self._readings) >= self._batch_records or self.size_bytes >= self._batch_bytes)


def _weight(record: Record) -> int:
    return len(record.value or b"") + len(record.key or b"")


def _switch(event: asyncio.Event, on: bool) -> None:
    if on:
        event.set()
    else:
        event.clear()


async def _within(event: asyncio.Event, timeout: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), timeout)
    except TimeoutError:
        return False
    return True
