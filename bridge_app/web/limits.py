"""How much is done at once (resilience §6)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from bridge_app.errors import ServiceUnavailable

#: How long a hook waits for its turn.
HOOK_WAIT_SECONDS = 1.0


class InFlight:
    """At most `most` requests at once; one more is refused at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count a request for as long as it is being handled.

        Raises:
            ServiceUnavailable: there are as many as may be.
        """
        if self._count >= self._most:
            raise ServiceUnavailable(f"{self._most} requests are being handled already", details={"limit": self._most})
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


class Turns:
    """At most `most()` at once, as it is at that moment; one more waits for `wait_seconds`, and nobody overtakes."""

    def __init__(self, most: Callable[[], int], wait_seconds: float = HOOK_WAIT_SECONDS) -> None:
        self.taken = 0
        self._most = most
        self._wait_seconds = wait_seconds
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and have it.

        Raises:
            ServiceUnavailable: none came in time.
        """
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._let_in()
        try:
            if not turn.done():  # where one is free nobody waits: no timer is needed
                await self._until(turn)
            yield
        finally:
            self._leave(turn)

    async def _until(self, turn: "asyncio.Future[None]") -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except TimeoutError as error:
            most = self._most()
            raise ServiceUnavailable(f"{most} hooks are being published already", details={"limit": most}) from error

    def _let_in(self) -> None:
        while self._waiting and self.taken < self._most():
            turn = self._waiting.popleft()
            if not turn.cancelled():
                self.taken += 1
                turn.set_result(None)

    def _leave(self, turn: "asyncio.Future[None]") -> None:
        """Give a turn back; who waited in vain leaves the queue."""
        if turn.done() and not turn.cancelled():
            self.taken -= 1
        elif turn in self._waiting:
            self._waiting.remove(turn)
        self._let_in()
