"""What the watchdog asks the broker, with clients that behave as aiokafka's do towards partitions without a leader."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from faust.types import TP

from bridge_app.runtime.broker_offsets import BrokerOffsets, leaderless
from bridge_app.runtime.stalls import Offsets, Owned, Stall
from bridge_app.settings import Settings

HERE, THERE, GONE = TP("here", 0), TP("here", 1), TP("gone", 0)


def described(*leaders: int) -> list[dict[str, Any]]:
    """Return what a broker says of `here`, a leader for each partition, and of `gone`, which it does not have."""
    partitions = [{"partition": number, "leader": leader} for number, leader in enumerate(leaders)]
    return [{"topic": "here", "partitions": partitions}, {"topic": "gone", "partitions": []}]


def test_a_partition_has_no_leader_when_its_broker_is_away_or_its_topic_gone() -> None:
    assert leaderless([HERE, THERE, GONE], described(1, -1)) == {THERE, GONE}


class Clients:
    """Both clients in one; `records` are those of each partition that are there to be read."""

    def __init__(self, leaders: tuple[int, ...], records: dict[TP, list[int]]) -> None:
        self.leaders = leaders
        self.records = records
        self.assigned: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, int] = {}

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        return [topic for topic in described(*self.leaders) if topic["topic"] in names]

    async def list_consumer_group_offsets(self, group: str, partitions: Iterable[TopicPartition]) -> dict[Any, Any]:
        return {tp: SimpleNamespace(offset=5 if group == "agents" else -1) for tp in partitions}

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned = set(partitions)

    def pause(self, *_: TopicPartition) -> None:
        pass

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.positions[tp] = offset

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        self.positions |= dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        if leaderless([TP(*tp) for tp in partitions], described(*self.leaders)):
            await asyncio.Event().wait()  # aiokafka tries until its caller gives up
        return dict.fromkeys(partitions, 9)

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[Any]]:
        return {
            tp: [SimpleNamespace(offset=offset) for offset in self.records.get(TP(*tp), []) if offset >= first]
            for tp, first in self.positions.items()
        }


def asking(monkeypatch: pytest.MonkeyPatch, *leaders: int, records: dict[TP, list[int]] | None = None) -> BrokerOffsets:
    broker = BrokerOffsets(Settings.from_environ({}))
    clients = Clients(leaders, records or {})

    async def connect() -> tuple[Clients, Clients]:
        return clients, clients

    monkeypatch.setattr(broker._clients, "_connect", connect)
    return broker


async def test_partitions_without_a_leader_hide_nothing_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = asking(monkeypatch, 1, -1)
    async with asyncio.timeout(5):
        found = await broker.offsets({"agents": [HERE, THERE, GONE], "adapter": [HERE], "other": [GONE]})
    assert found == {Owned("agents", HERE): Offsets(5, 9), Owned("adapter", HERE): Offsets(-1, 9)}


async def test_what_is_asked_of_no_partition_with_a_leader_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = asking(monkeypatch, -1, -1)
    async with asyncio.timeout(5):
        assert await broker.offsets({"agents": [HERE, GONE]}) == {}
        assert await broker.offsets({"agents": []}) == {}


async def test_a_stall_is_real_when_there_is_a_record_at_its_commit_or_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = asking(monkeypatch, 1, 1, records={HERE: [3, 4], THERE: [7]})
    behind = Stall(Owned("adapter", HERE), Offsets(3, 9), 60, 9)
    fresh = Stall(Owned("adapter", THERE), Offsets(-1, 9), 60, 9)
    marks_only = Stall(Owned("agents", HERE), Offsets(5, 9), 60, 9)
    assert await broker.with_records([behind, fresh, marks_only]) == [behind, fresh]
    assert await broker.with_records([marks_only]) == []


async def test_a_record_that_came_later_is_no_stall_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the ends and the look at the records, or behind what nobody commits."""
    broker = asking(monkeypatch, 1, 1, records={HERE: [6]})
    assert await broker.with_records([Stall(Owned("agents", HERE), Offsets(5, 7), 60, first_end=6)]) == []
    assert await broker.with_records([Stall(Owned("agents", HERE), Offsets(5, 7), 60, first_end=7)]) != []
