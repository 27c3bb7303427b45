"""A partition's keys have a limit. Above it the one that was updated longest ago leaves first.

Keys leave at ticks, and a step ends with a tick that made some leave. So a replay of that step finds each row as it was
at the tick, or as the tick left it, and drops the same keys; at an earlier tick of the step it counts no row that is
ahead of it, having outlived a kill, and drops none, as before.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from bridge_app.domain import Outcome
from bridge_app.runtime.due import DueIndex
from bridge_app.runtime.rows import Row

S = TypeVar("S")


class Bound(NamedTuple, Generic[S]):
    """At most `limit` keys of a partition have a state that counts.

    `updated_us` returns when a state was last updated, None for one that does not count. `drop(key, state, now)` says
    what becomes of a key that is too many: a state that does not count, or None.
    """

    limit: int
    updated_us: Callable[[S], int | None]
    drop: Callable[[str, S, int], Outcome[S]]


class PartitionIndex(Generic[S]):
    """What a tick must find without reading every row of a partition: whose deadline has come, and who is too many.

    Made anew from the table when the partition is assigned, and never stored: all of it is a function of the rows.
    `rows` are those with a state; `applied` is the partition's watermark for `topic`, in which the ticks come.
    """

    def __init__(
        self,
        rows: Iterable[tuple[bytes, Row[S]]],
        *,
        topic: str,
        applied: int,
        due: Callable[[S], int | None],
        bounds: Sequence[Bound[S]],
    ) -> None:
        self._due = due
        self.deadlines = DueIndex()
        self._bounds = [(bound, DueIndex()) for bound in bounds]
        self._ahead: dict[bytes, tuple[int, S | None]] = {}
        for key, row in rows:
            self.note(key, row.state)
            if bounds and (offset := row.watermarks.get(topic, -1)) > applied:
                self._count(key, None)
                self._ahead[key] = offset, row.state

    def note(self, key: bytes, state: S | None) -> None:
        """Take in what a record made of a key."""
        self.deadlines.put(key, None if state is None else self._due(state))
        self._ahead.pop(key, None)
        self._count(key, state)

    def surplus(self, offset: int) -> Iterator[tuple[Bound[S], bytes]]:
        """Take out the keys that are too many at the tick at `offset`, each with the bound it breaks; what became of
        one is noted before the next. Of keys that were updated at the same time the first in byte order leaves.
        """
        for key, (at, state) in list(self._ahead.items()):
            if at <= offset:
                self.note(key, state)
        for bound, updates in self._bounds:
            while len(updates) > bound.limit and (oldest := updates.pop(math.inf)) is not None:
                yield bound, oldest

    def _count(self, key: bytes, state: S | None) -> None:
        for bound, updates in self._bounds:
            updates.put(key, None if state is None else bound.updated_us(state))
