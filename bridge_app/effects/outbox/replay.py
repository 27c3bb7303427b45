"""The only sender while records wait: in order, window by window, each acknowledged before the next.

1. read the records at the position
2. send them; wait for every acknowledgement
3. make the position behind the last acknowledged one durable, delete used-up segments

Killed or refused anywhere, it goes on at the first record that is not known to be acknowledged. A record whose
acknowledgement was lost is sent again, as the same event.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import takewhile

import structlog

from bridge_app.clock import Clock
from bridge_app.effects.outbox.outbox import Outbox
from bridge_app.effects.outbox.segment import Stored
from bridge_app.errors import BridgeError
from bridge_app.events.envelope import Outgoing

log = structlog.get_logger(__name__)

WINDOW = 500
#: With a limited rate, so many windows a second.
WINDOWS_PER_SECOND = 10


class Refusal(BridgeError):
    """The broker refuses a record for good: its size, or this client's right to write it."""


#: Hand records over in order; return for each None when it is acknowledged, else what went wrong with it.
Send = Callable[[Sequence[Outgoing]], Awaitable[Sequence[Exception | None]]]


class Replayer:
    """Takes records out of an outbox.

    `send` may raise what it wants when nothing can be sent; `rate` in records per second, 0 without limit; `replayed`
    is told how many were acknowledged.
    """

    def __init__(
        self, outbox: Outbox, send: Send, *, rate: float, clock: Clock, replayed: Callable[[int], None]
    ) -> None:
        self._outbox = outbox
        self._send = send
        self._rate = rate
        self._clock = clock
        self._replayed = replayed
        self._next_at = 0.0
        self._read_ahead: list[Stored] = []

    @property
    def pause(self) -> float:
        """For how many seconds the rate allows no further window."""
        return max(0.0, self._next_at - self._clock.monotonic())

    async def run(self, windows: int) -> int:
        """Send up to so many windows, as fast as the rate allows, while records wait; return how many were sent.

        Raises: as `step`.
        """
        for number in range(windows):
            if not self._outbox.pending:
                return number
            await asyncio.sleep(self.pause)
            await self.step()
        return windows

    async def step(self) -> None:
        """Send one window and forget what was acknowledged of it, up to the first record that was not.

        Raises:
            Exception: what kept that record from being acknowledged, or what `send` raised.
            OSError: the disk does not let the position go on.
        """
        window, self._read_ahead = self._read_ahead, []
        if not window:
            window = await self._outbox.read(self._window_size())
        if not window:
            return
        failure = await self._send_in_order(window)
        if failure is None:
            return
        stored, error = failure
        if not isinstance(error, Refusal):
            raise error
        await self._reject(stored)

    async def _send_in_order(self, window: Sequence[Stored]) -> tuple[Stored, Exception] | None:
        """Send records and forget those before the first missing one; return that one with its error, if there is."""
        outcomes = await self._send([stored.record for stored in window])
        done = sum(1 for _ in takewhile(lambda outcome: outcome is None, outcomes))
        if done:
            self._read_ahead = await self._outbox.advance(window[done - 1].sequence, self._window_size())
            self._took(done)
        error = outcomes[done] if done < len(window) else None
        return None if error is None else (window[done], error)

    async def _reject(self, stored: Stored) -> None:
        """Set a record aside that is refused also when it is sent alone: in a window a neighbour may be the cause."""
        failure = await self._send_in_order([stored])
        if failure is None:
            return
        _, error = failure
        if not isinstance(error, Refusal):
            raise error
        self._read_ahead = []
        await self._outbox.reject(stored, str(error))

    def _took(self, count: int) -> None:
        self._replayed(count)
        if self._rate:
            # A window that is late by less than the time of one is caught up with, so that its sending costs no rate.
            now = self._clock.monotonic()
            is_late = now - self._next_at > 1 / WINDOWS_PER_SECOND
            self._next_at = (now if is_late else self._next_at) + count / self._rate
        log.info("outbox_replayed", count=count, pending=self._outbox.pending)

    def _window_size(self) -> int:
        return min(WINDOW, max(1, int(self._rate / WINDOWS_PER_SECOND))) if self._rate else WINDOW
