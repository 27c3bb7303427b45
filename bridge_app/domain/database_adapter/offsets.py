"""How far a batch may be committed (database-adapter §2, step 5)."""

from collections.abc import Iterable
from typing import TypeAlias

from bridge_app.events.record import Record

Partition: TypeAlias = tuple[str, int]


def committable(batch: Iterable[Record], held: Iterable[Record]) -> dict[Partition, int]:
    """Return the next offset of each partition: behind its last record, or at the first one that is held back.

    `held` are the records of the batch that are neither stored nor dead-lettered.
    """
    next_offsets: dict[Partition, int] = {}
    for record in batch:
        next_offsets[record.topic, record.partition] = record.offset + 1
    for record in held:
        partition = record.topic, record.partition
        next_offsets[partition] = min(next_offsets[partition], record.offset)
    return next_offsets
