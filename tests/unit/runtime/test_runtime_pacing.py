"""Fetches are some time apart while records keep coming."""

import asyncio
from types import SimpleNamespace
from typing import Any

from bridge_app.runtime.pacing import pace


class Times:
    """A clock that shows what it is told."""

    def __init__(self, *times: float) -> None:
        self._times = list(times)

    def __call__(self) -> float:
        return self._times.pop(0)


async def waits_of(monkeypatch: Any, nodes: list[int], *times: float) -> list[float]:
    """Return how long each fetch is held back, when the clock shows these times."""
    waits: list[float] = []
    fetched: list[int] = []

    async def sleep(seconds: float) -> None:
        waits.append(round(seconds, 3))

    async def fetch(_assignment: Any, node: int, _request: Any) -> None:
        fetched.append(node)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    consumer = SimpleNamespace(_fetcher=SimpleNamespace(_proc_fetch_request=fetch))
    pace(consumer, 0.02, Times(*times))
    for node in nodes:
        await consumer._fetcher._proc_fetch_request(None, node, None)
    assert fetched == nodes
    return waits


async def test_a_fetch_right_behind_another_is_held_back(monkeypatch: Any) -> None:
    assert await waits_of(monkeypatch, [1, 1], 100.0, 100.0, 100.005, 100.02) == [0.015]


async def test_a_fetch_that_the_broker_held_is_followed_at_once(monkeypatch: Any) -> None:
    assert await waits_of(monkeypatch, [1, 1], 100.0, 100.0, 100.5, 100.5) == []


async def test_each_broker_is_asked_on_its_own(monkeypatch: Any) -> None:
    assert await waits_of(monkeypatch, [1, 2], 100.0, 100.0, 100.005, 100.005) == []


async def test_a_fetch_that_is_given_up_while_it_is_held_back_ends_without_an_error() -> None:
    async def fetch(_assignment: Any, _node: int, _request: Any) -> bool:
        return True

    consumer = SimpleNamespace(_fetcher=SimpleNamespace(_proc_fetch_request=fetch))
    pace(consumer, 3600.0, lambda: 100.0)
    assert await consumer._fetcher._proc_fetch_request(None, 1, None)
    held = asyncio.create_task(consumer._fetcher._proc_fetch_request(None, 1, None))
    await asyncio.sleep(0)
    held.cancel()
    assert await held is False
