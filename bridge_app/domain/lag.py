"""How far behind a consumer group is, in records and in seconds, from what the broker says of offsets."""

from collections import deque
from typing import NamedTuple

#: Ends remembered per partition; beyond them the age of a backlog is at least that of the oldest.
MOST_ENDS = 512


class Lag(NamedTuple):
    """`seconds`: how long the first uncommitted record has been there, as far as it was seen."""

    records: int
    seconds: float


class PartitionLag:
    """The lag of one group on one partition, from looks taken now and then.

    A record between two looks counts from the later one. A backlog that was there at the first look counts from then.
    """

    def __init__(self) -> None:
        self._ends: deque[tuple[float, int]] = deque(maxlen=MOST_ENDS)

    def look(self, now: float, committed: int, end: int) -> Lag:
        """Return the lag at time `now` in seconds of any clock that never goes back.

        `committed` is the next offset the group would read, `end` the next one the broker will give.
        """
        if not self._ends or end > self._ends[-1][1]:
            self._ends.append((now, end))
        elif end < self._ends[-1][1]:  # the topic was made anew
            self._ends.clear()
            self._ends.append((now, end))
        while len(self._ends) > 1 and self._ends[0][1] <= committed:
            self._ends.popleft()
        records = max(0, end - committed)
        return Lag(records, now - self._ends[0][0] if records else 0.0)
