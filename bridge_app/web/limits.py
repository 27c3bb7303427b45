"""How much is done at once (resilience §6)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
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
    """At most `most` at once; one more waits for `wait_seconds`."""

    def __init__(self, most: int, wait_seconds: float = HOOK_WAIT_SECONDS) -> None:
        self._most = most
        self._wait_seconds = wait_seconds
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and have it.

        Raises:
            ServiceUnavailable: none came in time.
        """
        try:
            # Where one is free nobody waits: no timer is needed.
            async with asyncio.timeout(self._wait_seconds if self._free.locked() else None):
                await self._free.acquire()
        except TimeoutError as error:
            raise ServiceUnavailable(
                f"{self._most} hooks are being published already", details={"limit": self._most}
            ) from error
        try:
            yield
        finally:
            self._free.release()
