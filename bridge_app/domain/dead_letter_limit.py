"""When a topic has too many dead letters (hooks §10, database-adapter §6).

A bad producer or deploy must not drain a topic into the dead letters: above the limit the topic stops instead.
"""

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

#: Returns the share that is still allowed, at every judgement; None allows none at all.
MaxShare: TypeAlias = Callable[[], float | None]

WINDOW = 100
JUDGED_FROM = 21


class DeadLetterLimit:
    """The share of dead letters among the last 100 records of one topic, judged from the 21st record on.

    Where `max_share` allows none at all, the first bad record trips it. The first `free` dead letters are not judged,
    unless none is allowed.
    """

    def __init__(self, max_share: MaxShare, *, free: int = 0) -> None:
        self._max_share = max_share
        self._free = free
        self._last: deque[bool] = deque(maxlen=WINDOW)
        self._bad = 0
        self._seen = 0

    def good(self, count: int = 1) -> None:
        """Count records that are none."""
        for _ in range(min(count, WINDOW)):
            self._push(False)
        self._seen += max(0, count - WINDOW)

    def bad(self) -> bool:
        """Count a dead letter.

        Returns:
            Whether it trips the limit: then it must not be dead-lettered.
        """
        self._push(True)
        return self._tripped()

    def turned_bad(self) -> bool:
        """Count a record as a dead letter that was counted as good before; otherwise as `bad`."""
        for index in reversed(range(len(self._last))):
            if not self._last[index]:
                self._last[index] = True
                self._bad += 1
                return self._tripped()
        return self.bad()

    def _push(self, bad: bool) -> None:
        if len(self._last) == WINDOW:
            self._bad -= self._last[0]
        self._last.append(bad)
        self._bad += bad
        self._seen += 1

    def _tripped(self) -> bool:
        max_share = self._max_share()
        if max_share is None:
            return True
        if self._free > 0:
            self._free -= 1
            return False
        return self._seen >= JUDGED_FROM and self._bad > max_share * len(self._last)
