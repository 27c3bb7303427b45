"""A second event loop in a thread of its own, for work that must not wait for the turns of the first."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STOP_SECONDS = 10.0
#: How long what was cancelled may take to clean up.
SETTLE_SECONDS = 2.0


class SideLoop:
    """Runs coroutines beside the loop that calls. `start` before use, and again after `stop`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        return self._loop is not None

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
        self._thread.start()

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what the coroutine returns there, or raise what it raises; it is cancelled with its caller."""
        assert self._loop is not None
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call a function there."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(function)

    async def stop(self) -> None:
        """End the thread when nothing runs in it any more, in bounded time."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        await self.run(_settled())
        self._loop = None
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join, STOP_SECONDS)
        if not thread.is_alive():
            loop.close()


async def _settled() -> None:
    """Wait for what was cancelled and still cleans up."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=SETTLE_SECONDS)
