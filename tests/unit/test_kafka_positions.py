"""Positions after a rebalance: all committed offsets are asked for before the first answer is awaited."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, OffsetResetStrategy

from bridge_app.kafka_positions import PositionFetcher

PARTITIONS = [TopicPartition("t", number) for number in range(3)]


class State:
    """Of a partition; `answer` is what its group has committed, once it was asked for."""

    def __init__(self) -> None:
        self.position: int | None = None
        self.awaiting_reset = False
        self.answer: asyncio.Future[Any] | None = None

    @property
    def has_valid_position(self) -> bool:
        return self.position is not None

    def fetch_committed(self) -> "asyncio.Future[Any]":
        self.answer = asyncio.get_running_loop().create_future()
        return self.answer

    def reset_to(self, position: int) -> None:
        self.position = position

    def await_reset(self, _strategy: int) -> None:
        self.awaiting_reset = True

    def committed(self, offset: int) -> None:
        assert self.answer is not None
        self.answer.set_result(SimpleNamespace(offset=offset))


@pytest.fixture
def states() -> dict[TopicPartition, State]:
    return {tp: State() for tp in PARTITIONS}


@pytest.fixture
def update(states: dict[TopicPartition, State], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the method, of a fetcher that starts at the beginning where nothing was committed."""

    async def ask_for_starts(*_arguments: Any) -> bool:
        return any(state.awaiting_reset for state in states.values())

    monkeypatch.setattr(Fetcher, "_update_fetch_positions", ask_for_starts)
    fetcher = PositionFetcher.__new__(PositionFetcher)
    fetcher._default_reset_strategy = OffsetResetStrategy.EARLIEST
    assignment = SimpleNamespace(state_value=states.__getitem__)
    return lambda: fetcher._update_fetch_positions(assignment, 1, PARTITIONS)


async def test_all_are_asked_for_at_once_and_the_rest_is_left_to_aiokafka(
    update: Any, states: dict[TopicPartition, State]
) -> None:
    first, second, sought = states.values()
    sought.position = 7
    task = asyncio.create_task(update())
    await asyncio.sleep(0)
    assert (first.answer is not None, second.answer is not None, sought.answer) == (True, True, None)
    second.committed(-1)
    first.committed(5)
    assert await task is True
    assert (first.position, second.position, sought.position) == (5, None, 7)
    assert (first.awaiting_reset, second.awaiting_reset) == (False, True)


async def test_a_seek_while_the_broker_is_asked_counts(update: Any, states: dict[TopicPartition, State]) -> None:
    task = asyncio.create_task(update())
    await asyncio.sleep(0)
    states[PARTITIONS[0]].position = 3
    for state in states.values():
        state.committed(9)
    await task
    assert [state.position for state in states.values()] == [3, 9, 9]


async def test_a_cancelled_update_ends_without_an_error(update: Any, states: dict[TopicPartition, State]) -> None:
    task = asyncio.create_task(update())
    await asyncio.sleep(0)
    task.cancel()
    assert await task is False
    assert all(state.position is None for state in states.values())
