"""How long a worker that ends waits for Kafka."""

import asyncio
from collections.abc import Callable

import pytest

from bridge_app import patience
from bridge_app.patience import within

FOREVER = 3600.0


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.02)
    monkeypatch.setattr(patience, "LOOK_SECONDS", 0.005)


def answers(value: bool) -> Callable[[], bool]:
    return lambda: value


async def never(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


async def test_work_that_is_done_in_time_is_waited_for_even_when_kafka_is_away() -> None:
    assert await within(asyncio.sleep(0), FOREVER, answers(False))


async def test_work_is_given_up_after_its_time() -> None:
    ended: list[str] = []
    assert not await within(never(ended), 0.02, answers(True))
    assert ended == ["ended"]


async def test_work_is_given_up_as_soon_as_kafka_does_not_answer() -> None:
    ended: list[str] = []
    assert not await within(never(ended), FOREVER, answers(False))
    assert ended == ["ended"]


async def test_what_the_work_raises_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await within(fails(), FOREVER, answers(True))


async def test_work_that_cancels_itself_was_not_done() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    assert not await within(cancelled(), FOREVER, answers(True))
