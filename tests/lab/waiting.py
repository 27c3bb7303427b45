"""Wait for a condition with a deadline."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

EVERY_SECONDS = 0.05


async def eventually(condition: Callable[[], Awaitable[bool] | bool], what: str, *, seconds: float = 30.0) -> None:
    """Return when the condition holds.

    Raises:
        AssertionError: it did not within `seconds`; the message says `what`.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found if isinstance(found, bool) else await found:
            return
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(EVERY_SECONDS)


def crowding() -> float:
    """Return by how much this machine has more to do than it can: time limits are for one that has nothing else."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
