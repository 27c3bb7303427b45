"""Coroutines beside the loop that calls."""

import asyncio
import threading

import pytest

from bridge_app.side_loop import SideLoop


async def test_it_runs_in_another_thread_and_can_be_started_again() -> None:
    side = SideLoop("side")

    async def thread() -> int:
        return threading.get_ident()

    for _ in range(2):
        side.start()
        assert side.is_running
        assert await side.run(thread()) != threading.get_ident()
        await side.stop()
        assert not side.is_running


async def test_an_error_comes_back() -> None:
    side = SideLoop("side")
    side.start()

    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await side.run(fail())
    await side.stop()


async def test_what_is_cancelled_with_its_caller_cleans_up_before_the_thread_ends() -> None:
    side = SideLoop("side")
    side.start()
    begun, cleaned = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            cleaned.set()

    task = asyncio.create_task(side.run(work()))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    await asyncio.wait({task})
    await side.stop()
    assert task.cancelled()
    assert cleaned.is_set()
