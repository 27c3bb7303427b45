"""Which partitions stand still: the judgement of the watchdog, without broker or clock."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from faust.types import TP


class Owned(NamedTuple):
    """A partition that a consumer group of this worker has."""

    group: str
    tp: TP


class Offsets(NamedTuple):
    """What the broker says of it: the next offset that is committed (-1: none) and the end."""

    committed: int
    end: int


class Stall(NamedTuple):
    """A partition with offsets to commit whose commits have not moved for `seconds`; it ended at `first_end` then.

    What came later has had less time.
    """

    owned: Owned
    offsets: Offsets
    seconds: float
    first_end: int

    def covers(self, offset: int) -> bool:
        """Whether a record at this offset has stood still for that long."""
        return self.offsets.committed <= offset < self.first_end


class StallWatch:
    """Remembers since when each partition has had lag without progress; `limit` in seconds."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._still: dict[Owned, tuple[Offsets, float]] = {}

    def look(self, found: Mapping[Owned, Offsets], now: float) -> list[Stall]:
        """Compare what the broker says with what it said before; return what has stood still for too long.

        A partition that is not in `found` (given away, waiting, stopped) starts anew when it comes back.
        """
        before, self._still = self._still, {}
        stalls = []
        for owned, offsets in found.items():
            if offsets.end <= max(offsets.committed, 0):
                continue
            first, since = before.get(owned, (offsets, now))
            if first.committed != offsets.committed:
                first, since = offsets, now
            self._still[owned] = (first, since)
            if now - since >= self._limit:
                stalls.append(Stall(owned, offsets, now - since, first.end))
        return stalls

    def forgive(self, harmless: Iterable[Owned]) -> None:
        """Start the time of some partitions anew: what is between commit and end are no records."""
        for owned in harmless:
            self._still.pop(owned, None)

    def start_anew(self) -> None:
        """Forget everything: the broker did not answer, and while it is away nothing can move."""
        self._still.clear()
