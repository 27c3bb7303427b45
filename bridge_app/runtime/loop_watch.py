"""The watchdog of the event loop (resilience §9): a thread that asks it for a sign of life.

A loop that is blocked sends no heartbeats, answers no request and notices no signal; only another thread can say so.
"""

import asyncio
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import structlog

from bridge_app.runtime.process import LOOP_DEAD, end

log = structlog.get_logger(__name__)

ASK_EVERY_SECONDS = 0.5
LOOK_EVERY_SECONDS = 0.25
#: The usual interval between two readings of the metrics.
REMEMBERED_SECONDS = 15.0
#: Between two looks of this thread: longer, and the whole process stood still, which is the fence's to judge.
FROZEN_SECONDS = 5.0
#: How long the last words may take: the blocked loop may hold the log.
LAST_WORDS_SECONDS = 5.0


class LoopLimits(NamedTuple):
    """Seconds after which a blocked loop's stack is logged, and after which the process ends with exit code 71: before
    the group drops the member for good.
    """

    slow: float = 1.0
    dead: float = 45.0


class LoopWatch(threading.Thread):
    """Watch the loop of the thread that makes this. `lag` is how late it last was, in seconds, `longest` says how late
    it was at worst in the last 15 s.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limits: LoopLimits, *, end: Callable[[int], None] = end
    ) -> None:
        super().__init__(name="loop-watch", daemon=True)
        self.lag = 0.0
        self._last: deque[float] = deque([0.0], maxlen=int(REMEMBERED_SECONDS / ASK_EVERY_SECONDS))
        self._loop = loop
        self._limits = limits
        self._end = end
        self._watched = threading.get_ident()
        self._closed = threading.Event()

    def longest(self) -> float:
        """Return the longest delay of the last 15 s, a present one included, in seconds."""
        return max(self.lag, *self._last)

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()

    def run(self) -> None:
        while not self._closed.wait(ASK_EVERY_SECONDS):
            answered = threading.Event()
            try:
                self._loop.call_soon_threadsafe(answered.set)
            except RuntimeError:
                return  # the loop is closed: the process ends
            self._await(answered)

    def _await(self, answered: threading.Event) -> None:
        asked = looked = time.monotonic()
        told = False
        while not answered.wait(LOOK_EVERY_SECONDS) and not self._closed.is_set():
            now = time.monotonic()
            if now - looked > FROZEN_SECONDS:
                asked += now - looked
            looked = now
            self.lag = now - asked
            if self.lag > self._limits.slow and not told:
                told = True
                log.warning("event_loop_blocked", seconds=round(self.lag, 1), stack=self._stack())
            if self.lag > self._limits.dead:
                self._end_process()
                return
        self.lag = max(0.0, time.monotonic() - asked)
        self._last.append(self.lag)

    def _end_process(self) -> None:
        last_resort = threading.Timer(LAST_WORDS_SECONDS, os._exit, args=(LOOP_DEAD,))
        last_resort.daemon = True
        last_resort.start()
        log.critical("event_loop_dead", seconds=round(self.lag, 1), stack=self._stack(), exit_code=LOOP_DEAD)
        self._end(LOOP_DEAD)
        last_resort.cancel()

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._watched)
        return "".join(traceback.format_stack(frame)) if frame else ""
