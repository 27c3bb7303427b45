"""The clock every part gets handed, so that tests decide what time it is."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall clock for stamping root events, monotonic clock for durations."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never goes back."""


class SystemClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()
