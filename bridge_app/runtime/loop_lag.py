"""How late the event loop is."""

from collections import deque
from collections.abc import Callable
from typing import Any

from mode import Service

EVERY_SECONDS = 0.25
#: What is looked back on: as long as the usual interval between two readings of the metrics.
WINDOW_SECONDS = 15.0


class LoopLag(Service):
    """Measures how much later than asked for the loop wakes up a sleeper, four times a second."""

    def __init__(self, monotonic: Callable[[], float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._monotonic = monotonic
        self._last: deque[float] = deque([0.0], maxlen=int(WINDOW_SECONDS / EVERY_SECONDS))

    def longest(self) -> float:
        """Return the longest delay in the last 15 s, in seconds."""
        return max(self._last)

    @Service.task
    async def _measure(self) -> None:
        while not self.should_stop:
            before = self._monotonic()
            await self.sleep(EVERY_SECONDS)
            self._last.append(max(0.0, self._monotonic() - before - EVERY_SECONDS))
