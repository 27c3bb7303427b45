"""The consumer: what it commits, and what comes before what when partitions are given away and come back."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest
from faust.tables.recovery import Recovery
from faust.types import TP
from mode import Service

from bridge_app.events.envelope import Identity
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.batches import new_batch
from bridge_app.runtime.consumer import BatchConsumer
from bridge_app.runtime.recovery import ParkedTableManager
from bridge_app.settings import Settings
from tests.unit.runtime.step_rig import put

SOURCE = TP("rig.in", 0)


class FakeThread(Service):
    """Commits in the stead of the consumer's thread, or fails to."""

    def __init__(self) -> None:
        super().__init__()
        self.succeeds = True
        self.committed: dict[TP, int] = {}

    def assignment(self) -> set[TP]:
        return {SOURCE}

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        if self.succeeds:
            self.committed |= offsets
        return self.succeeds


class FakeLanes:
    """The lanes of an agent with one step in progress, which ends when the test says so."""

    def __init__(self) -> None:
        self.is_open = True
        self.end_step = asyncio.Event()

    def close(self) -> None:
        self.is_open = False

    async def settled(self) -> None:
        await self.end_step.wait()


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch) -> BatchConsumer:
    monkeypatch.setattr(BatchConsumer, "_new_consumer_thread", lambda _self: FakeThread())
    settings = Settings.from_environ({"KAFKA_CONSUMER_GROUP": "rig"})
    return BridgeApp(settings, Identity("rig", "0", "i", "n", "test"), web_enabled=False).consumer


def deliver(consumer: BatchConsumer, *offsets: int) -> Any:
    message = new_batch(SOURCE, [cast(Any, put(offset, "k")) for offset in offsets], 1)
    consumer.books.deliver(message)
    return message


async def test_a_commit_that_the_broker_did_not_take_is_offered_again(consumer: BatchConsumer) -> None:
    thread = cast(Any, consumer._thread)
    consumer.ack(deliver(consumer, 5, 6))
    thread.succeeds = False
    assert not await consumer._commit(consumer.books.committable())
    assert consumer._new_offset(SOURCE) == 7

    thread.succeeds = True
    assert await consumer._commit(consumer.books.committable())
    assert thread.committed == {SOURCE: 7}
    assert consumer._new_offset(SOURCE) is None


async def test_what_is_not_acked_is_not_offered_and_an_ack_counts_once(consumer: BatchConsumer) -> None:
    first, second = deliver(consumer, 0, 1), deliver(consumer, 2)
    assert consumer.ack(second)
    assert not consumer.ack(second)
    assert consumer._new_offset(SOURCE) is None
    assert consumer.ack(first)
    assert consumer._new_offset(SOURCE) == 3


async def idle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_partitions_are_given_away_when_the_steps_in_progress_are_done_and_committed(
    consumer: BatchConsumer,
) -> None:
    lanes, thread = FakeLanes(), cast(Any, consumer._thread)
    consumer.app.lanes.append(cast(Any, lanes))
    message = deliver(consumer, 0, 1)
    giving_away = asyncio.create_task(consumer.on_partitions_revoked({SOURCE}))
    await idle()
    assert not giving_away.done()
    assert not lanes.is_open
    assert thread.committed == {}

    consumer.ack(message)
    lanes.end_step.set()
    await giving_away
    assert thread.committed == {SOURCE: 2}
    assert consumer.books.unfinished(SOURCE) == 0


@pytest.mark.parametrize("method", ["on_recovery_completed", "_resume_streams"])
async def test_nothing_is_delivered_while_faust_resumes_and_seeks(
    consumer: BatchConsumer, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """What Faust delivers before it seeks, it clears from the queues afterwards, and commits over."""
    found: dict[str, Any] = {}

    async def resume(_recovery: Recovery, _generation: int = 0) -> None:
        found.update(delivering=consumer.flow_active, open=lanes.is_open, unfinished=consumer.books.unfinished(SOURCE))

    monkeypatch.setattr(Recovery, method, resume)
    lanes = FakeLanes()
    lanes.end_step.set()
    consumer.app.lanes.append(cast(Any, lanes))
    deliver(consumer, 0, 1)

    await getattr(ParkedTableManager(consumer.app).recovery, method)(1)

    assert found == {"delivering": False, "open": False, "unfinished": 0}
