"""How fast the adapter is: events of the last minute, and how long transactions take (database-adapter §8)."""

from collections import deque
from typing import NamedTuple

WINDOW_SECONDS = 60.0
#: Transactions of which the durations are kept.
MOST_DURATIONS = 1000


class Performance(NamedTuple):
    """Of the last transactions, in milliseconds; zero before the first one."""

    average_ms: float
    p95_ms: float
    p99_ms: float


class Pace:
    """Counts transactions; times are seconds of one clock that never goes back."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._durations: deque[float] = deque(maxlen=MOST_DURATIONS)
        self._events: deque[tuple[int, int]] = deque()

    def stored(self, now: float, events: int) -> None:
        """Count events that were stored now."""
        second = int(now)
        if self._events and self._events[-1][0] == second:
            events += self._events.pop()[1]
        self._events.append((second, events))
        while self._events[0][0] < now - WINDOW_SECONDS - 1:
            self._events.popleft()

    def took(self, seconds: float) -> None:
        """Count a transaction that succeeded."""
        self._durations.append(seconds)

    def uptime_seconds(self, now: float) -> float:
        """Return how long this has been counting."""
        return round(now - self._started, 3)

    def events_per_second(self, now: float) -> float:
        """Return the rate over the last minute, or since the start if that is later."""
        since = max(self._started, now - WINDOW_SECONDS)
        events = sum(count for second, count in self._events if second >= int(since))
        return round(events / max(now - since, 1.0), 1)

    def performance(self) -> Performance:
        """Return average and percentiles (nearest rank) of the last transactions."""
        found = sorted(self._durations)
        if not found:
            return Performance(0.0, 0.0, 0.0)
        average = sum(found) / len(found)
        return Performance(*(round(1000 * value, 3) for value in (average, _rank(found, 95), _rank(found, 99))))


def _rank(ordered: list[float], percent: int) -> float:
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
