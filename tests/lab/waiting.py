"""Wait for a condition with a deadline."""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

EVERY_SECONDS = 0.05


@overload
async def eventually(condition: Callable[[], Awaitable[T | None]], what: str, *, seconds: float = 30.0) -> T: ...
@overload
async def eventually(condition: Callable[[], bool], what: str, *, seconds: float = 30.0) -> bool: ...


async def eventually(condition: Callable[[], Any], what: str, *, seconds: float = 30.0) -> Any:
    """Return the first true result of a condition, which is asked again and again.

    Raises:
        AssertionError: there was none within `seconds`; the message says `what`, and the last result.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        found = await result if inspect.isawaitable(result) else result
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}; last result: {found!r}"
        await asyncio.sleep(EVERY_SECONDS)


def crowding() -> float:
    """Return by how much this machine has more to do than it can: time limits are for one that has nothing else."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
