"""The consumer's commits: what the broker did not take is offered again, whatever the reason."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from faust.types import TP
from mode import Service

from bridge_app.events.envelope import Identity
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.batches import new_batch
from bridge_app.runtime.consumer import BatchConsumer
from bridge_app.settings import Settings
from tests.unit.runtime.step_rig import put

SOURCE = TP("rig.in", 0)


class FakeThread(Service):
    """Commits in the stead of the consumer's thread, or fails to."""

    def __init__(self) -> None:
        super().__init__()
        self.succeeds = True
        self.committed: dict[TP, int] = {}

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        if self.succeeds:
            self.committed |= offsets
        return self.succeeds


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
