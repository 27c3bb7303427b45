"""Wait for a condition with a deadline."""

import asyncio
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
