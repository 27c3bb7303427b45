"""The one place where the stack waits for something, and the pauses between restarts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .errors import Stopped


def wait_until(
    condition: Callable[[], bool], seconds: float, *, every: float = 0.1, stop: threading.Event | None = None
) -> bool:
    """Block until `condition()` holds (True) or `seconds` have passed (False).

    The condition is asked at least once and a last time at the deadline. Raises Stopped as soon as `stop` is set.
    """
    pause = stop or threading.Event()
    deadline = time.monotonic() + seconds
    while True:
        if condition():
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        if pause.wait(min(every, left)):
            raise Stopped("stopped while waiting")


class Backoff:
    """The pause before each restart: `first` seconds, doubled up to `longest`; `first` again after a healthy run."""

    def __init__(self, first: float = 0.5, longest: float = 10.0, healthy_after: float = 60.0) -> None:
        self._first = first
        self._longest = longest
        self._healthy_after = healthy_after
        self._next = first

    def after(self, ran_seconds: float) -> float:
        """Return the pause in seconds before the restart of what has just ended after `ran_seconds`."""
        if ran_seconds >= self._healthy_after:
            self._next = self._first
        pause = self._next
        self._next = min(self._next * 2, self._longest)
        return pause
