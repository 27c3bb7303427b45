"""Records whose topic is missing: others pass, it is created again, and what stays missing is set aside."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from aiokafka.errors import InvalidReplicationFactorError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from bridge_app.effects.missing_topics import GONE_SECONDS, RESTORE_SECONDS, MissingTopics
from bridge_app.effects.outbox.replay import Refusal, Replayer
from bridge_app.effects.window_sender import WindowSender
from bridge_app.events.envelope import Outgoing
from tests.unit.outbox.samples import numbers, records
from tests.unit.outbox.test_outbox import Told, opened
from tests.unit.web.http_worker import ManualClock

GONE = "hooks.gone"


class Broker:
    """A connection to a broker that has some topics, and creates some, unless `refusal` keeps it from that."""

    is_connected = True

    def __init__(self, *, creates: Sequence[str] = (), refusal: Exception | None = None) -> None:
        self.topics = {"hooks.x"}
        self.log: list[int] = []
        self.created = 0
        self.refusal = refusal
        self._creates = creates

    async def has_topic(self, topic: str) -> bool:
        return topic in self.topics

    async def send(self, record: Outgoing) -> "asyncio.Future[None]":
        assert record.topic in self.topics
        self.log += numbers([record])
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged

    async def restore(self) -> None:
        self.created += 1
        if self.refusal is not None:
            raise self.refusal
        self.topics |= set(self._creates)


def mixed(count: int, *gone: int) -> list[Outgoing]:
    """Return so many records; those with these numbers are for a topic that is missing."""
    return [one._replace(topic=GONE) if number in gone else one for number, one in enumerate(records(count), 1)]


def sender_of(broker: Broker, clock: ManualClock) -> WindowSender:
    return WindowSender(cast(Any, broker), MissingTopics(broker.restore, clock))


async def test_what_comes_before_a_record_without_topic_is_sent_and_the_topic_is_created_again() -> None:
    broker, clock = Broker(creates=[GONE]), ManualClock()
    sender, window = sender_of(broker, clock), mixed(4, 3)
    first = await sender.send(window)
    assert [type(outcome) for outcome in first] == [type(None)] * 2 + [UnknownTopicOrPartitionError, TimeoutError]
    assert (broker.log, broker.created) == ([1, 2], 0)

    clock.seconds += RESTORE_SECONDS
    await sender.send(window[2:])
    assert await sender.send(window[2:]) == [None, None]
    assert (broker.log, broker.created) == ([1, 2, 3, 4], 1)


async def test_a_topic_is_not_created_at_every_look() -> None:
    broker, clock = Broker(), ManualClock()
    sender = sender_of(broker, clock)
    for _ in range(40):
        await sender.send(mixed(1, 1))
        clock.seconds += 0.5
    assert broker.created == 3


@pytest.mark.parametrize("refusal", [None, TopicAuthorizationFailedError("no")], ids=["not ours", "not allowed"])
async def test_resilience_03_a_topic_that_never_comes_holds_up_nothing_and_its_records_are_kept_and_told(
    tmp_path: Path, refusal: Exception | None
) -> None:
    broker, clock, told = Broker(refusal=refusal), ManualClock(), Told()
    sender = sender_of(broker, clock)
    async with opened(tmp_path, told=told) as outbox:
        await outbox.append(mixed(6, 2, 3, 5))
        replaying = Replayer(outbox, sender.send, rate=0, clock=clock, replayed=lambda _: None)
        waited = 0.0
        while outbox.pending:
            try:
                await replaying.step()
            except UnknownTopicOrPartitionError:
                clock.seconds += 1
                waited += 1
    assert broker.log == [1, 4, 6]
    assert GONE_SECONDS <= waited <= GONE_SECONDS + 2 * RESTORE_SECONDS
    assert told.ever == ["outbox_record_rejected"]
    kept = [orjson.loads(path.read_bytes()) for path in sorted((tmp_path / "rejected").glob("*.json"))]
    assert [(one["topic"], one["key"]) for one in kept] == [(GONE, "2"), (GONE, "3"), (GONE, "5")]
    assert "the topic does not exist" in kept[0]["reason"]


async def test_while_the_broker_merely_cannot_create_a_topic_its_records_wait() -> None:
    broker, clock = Broker(refusal=InvalidReplicationFactorError("two brokers are missing")), ManualClock()
    sender = sender_of(broker, clock)
    for _ in range(200):
        (outcome,) = await sender.send(mixed(1, 1))
        assert isinstance(outcome, UnknownTopicOrPartitionError)
        clock.seconds += 1
    broker.refusal = TopicAuthorizationFailedError("no")
    outcomes: list[Exception | None] = []
    for _ in range(int(GONE_SECONDS) - 1):
        outcomes += await sender.send(mixed(1, 1))
        clock.seconds += 1
    assert not [one for one in outcomes if isinstance(one, Refusal)]


async def test_a_topic_that_comes_back_is_forgotten() -> None:
    broker, clock = Broker(), ManualClock()
    sender = sender_of(broker, clock)
    for _ in range(int(GONE_SECONDS)):
        await sender.send(mixed(1, 1))
        clock.seconds += 1
    broker.topics.add(GONE)
    assert await sender.send(mixed(1, 1)) == [None]
    broker.topics.discard(GONE)
    clock.seconds += GONE_SECONDS
    (outcome,) = await sender.send(mixed(1, 1))
    assert isinstance(outcome, UnknownTopicOrPartitionError)
