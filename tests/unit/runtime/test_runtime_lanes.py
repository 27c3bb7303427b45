"""Lanes: one step per partition number at a time, whatever the topics; nothing is acked before it took effect."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from faust.types import TP

from bridge_app.events.record import Record
from bridge_app.runtime.alarms import Alarm
from bridge_app.runtime.batches import BatchMessage, new_batch
from bridge_app.runtime.guard import Guard
from bridge_app.runtime.lanes import MAX_QUEUED_RECORDS, MAX_STEP_RECORDS, Lanes
from tests.lab.waiting import eventually

GENERATION = 7


class FakeRecord:
    """A record that is nothing but its position."""

    key = value = None
    timestamp = 0
    headers: tuple[()] = ()

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        self.topic, self.partition, self.offset = topic, partition, offset


class FakeConsumer:
    """Notes what the lanes ask of the consumer."""

    def __init__(self) -> None:
        self.unacked: set[Any] = set()
        self.held: set[TP] = set()
        self.parted: list[tuple[int, int]] = []

    def on_buffer_full(self, tp: TP) -> None:
        self.held.add(tp)

    def on_buffer_drop(self, tp: TP) -> None:
        self.held.discard(tp)

    def acknowledge_before(self, message: BatchMessage, offset: int) -> None:
        self.parted.append((message.offset, offset))


class FakeApp:
    """What lanes need of the application."""

    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        self.guard = Guard(lambda: 0.5)
        self.crashes: list[BaseException] = []
        self.alarms: list[Alarm] = []

    async def crash(self, reason: BaseException) -> None:
        self.crashes.append(reason)

    def alarm(self, alarm: Alarm) -> None:
        self.alarms.append(alarm)


class FakeEvent:
    """A Faust event of a batch."""

    def __init__(self, message: BatchMessage) -> None:
        self.message = message
        self.value = message.records
        self.acked = False

    def ack(self) -> None:
        self.acked = True


class Rig:
    """Lanes over a stream that the test fills, with steps that the test lets go."""

    def __init__(self) -> None:
        self.app = FakeApp()
        self.lanes = Lanes(cast(Any, self.app), "rig", self.step)
        self.lanes.open(GENERATION)
        self.gate = asyncio.Event()
        self.steps: list[tuple[str, int, list[int]]] = []
        self.running: dict[int, int] = defaultdict(int)
        self.most: dict[int, int] = defaultdict(int)
        self.fail = False
        self.stop_at: int | None = None
        self._offsets: dict[TP, int] = defaultdict(int)

    async def step(self, message: BatchMessage, records: list[Record]) -> int | None:
        self.running[message.partition] += 1
        self.most[message.partition] = max(self.most[message.partition], self.running[message.partition])
        await self.gate.wait()
        self.running[message.partition] -= 1
        if self.fail:
            raise RuntimeError("told to fail")
        self.steps.append((message.topic, message.partition, [record.offset for record in records]))
        if self.stop_at is None or message.topic != "a":
            return None
        self.app.guard.stopped["a"] = ("agent", "too bad")
        return self.stop_at

    def noack(self) -> "Rig":
        return self

    async def events(self) -> AsyncIterator[FakeEvent]:
        for event in self.pending:
            yield event

    async def take(self, *sizes: tuple[str, int, int], generation: int = GENERATION) -> list[FakeEvent]:
        """Run batches of (topic, partition, records) through the stream; return their events."""
        self.pending = []
        for topic, partition, size in sizes:
            tp = TP(topic, partition)
            records = [FakeRecord(topic, partition, self._offsets[tp] + index) for index in range(size)]
            self._offsets[tp] += size
            event = FakeEvent(new_batch(tp, cast("list[Record]", records), generation))
            self.app.consumer.unacked.add(event.message)
            self.pending.append(event)
        await self.lanes.run(cast(Any, self))
        return self.pending


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_two_topics_share_the_lane_of_a_partition_number_and_partitions_overlap(rig: Rig) -> None:
    events = await rig.take(("a", 0, 2), ("b", 0, 3), ("a", 1, 1))
    await eventually(lambda: rig.running[0] >= 1 and rig.running[1] >= 1, "a step in each partition")
    rig.gate.set()
    await rig.lanes.settled()

    assert rig.most == {0: 1, 1: 1}
    assert sorted(rig.steps) == [("a", 0, [0, 1]), ("a", 1, [0]), ("b", 0, [0, 1, 2])]
    assert all(event.acked for event in events)


async def test_queued_batches_of_one_topic_are_one_step_up_to_its_limit(rig: Rig) -> None:
    await rig.take(("a", 0, 1))
    await eventually(lambda: rig.running[0] == 1, "the first step runs")
    await rig.take(("a", 0, MAX_STEP_RECORDS - 1), ("a", 0, 1), ("a", 0, 1))
    rig.gate.set()
    await rig.lanes.settled()

    assert [len(offsets) for _, _, offsets in rig.steps] == [1, MAX_STEP_RECORDS, 1]
    assert [offset for _, _, offsets in rig.steps for offset in offsets] == list(range(MAX_STEP_RECORDS + 2))


async def test_nothing_is_acked_before_its_step_is_done(rig: Rig) -> None:
    events = await rig.take(("a", 0, 1))
    await eventually(lambda: rig.running[0] == 1, "the step runs")
    assert not events[0].acked
    rig.gate.set()
    await rig.lanes.settled()
    assert events[0].acked


async def test_a_step_that_raises_is_never_acked_and_stops_the_worker(rig: Rig) -> None:
    rig.fail = True
    rig.gate.set()
    events = await rig.take(("a", 0, 1))
    await rig.lanes.settled()

    assert [str(error) for error in rig.app.crashes] == ["told to fail"]
    assert [(alarm.error_type, "told to fail" in alarm.message) for alarm in rig.app.alarms] == [
        ("AGENT_STOPPED", True)
    ]
    assert not events[0].acked


async def test_a_lane_that_holds_too_much_stops_the_fetching_of_its_partition_and_resumes_it(rig: Rig) -> None:
    await rig.take(("a", 0, 1))
    await eventually(lambda: rig.running[0] == 1, "the first step runs")
    await rig.take(("a", 0, MAX_QUEUED_RECORDS + 1), ("a", 1, 1))
    assert rig.app.consumer.held == {TP("a", 0)}
    rig.gate.set()
    await rig.lanes.settled()

    assert rig.app.consumer.held == set()


async def test_a_topic_whose_records_are_done_is_not_held_back_for_ever_by_another_of_its_lane(rig: Rig) -> None:
    await rig.take(("a", 0, 1))
    await eventually(lambda: rig.running[0] == 1, "the first step runs")
    await rig.take(("a", 0, 3000), ("a", 0, 2000), ("b", 0, 3000))
    assert rig.app.consumer.held == {TP("a", 0), TP("b", 0)}
    rig.gate.set()
    await rig.lanes.settled()

    assert rig.app.consumer.held == set()


async def test_closed_lanes_drop_what_is_queued_and_finish_what_is_in_progress(rig: Rig) -> None:
    events = await rig.take(("a", 0, 1))
    await eventually(lambda: rig.running[0] == 1, "the first step runs")
    events += await rig.take(("a", 0, 5))
    rig.lanes.close()
    events += await rig.take(("a", 0, 1))
    rig.gate.set()
    await rig.lanes.settled()

    assert [event.acked for event in events] == [True, False, False]
    assert events[1].message not in rig.app.consumer.unacked  # else Faust's shutdown waits for it
    assert events[2].message not in rig.app.consumer.unacked


async def test_a_batch_of_an_older_generation_is_dropped(rig: Rig) -> None:
    rig.gate.set()
    (old,) = await rig.take(("a", 0, 1), generation=GENERATION - 1)
    await rig.lanes.settled()

    assert rig.steps == []
    assert not old.acked


async def test_when_a_topic_stops_only_what_came_before_is_acked_and_other_topics_go_on(rig: Rig) -> None:
    events = await rig.take(("a", 0, 2))
    await eventually(lambda: rig.running[0] == 1, "the first step runs")
    events += await rig.take(("a", 0, 2), ("b", 0, 1), ("a", 1, 1))
    rig.stop_at = 1
    await eventually(lambda: rig.running[1] == 1, "the other partition is in its step")
    rig.gate.set()
    await rig.lanes.settled()
    late = await rig.take(("a", 0, 1), ("b", 0, 1))
    await rig.lanes.settled()

    acked = {(event.message.topic, event.message.offset) for event in [*events, *late] if event.acked}
    assert acked >= {("b", 0), ("b", 1)}
    assert not any(event.acked for event in (events[0], events[1], late[0]))
    assert (1, 1) in rig.app.consumer.parted  # the batch of offsets 0 and 1 stops at 1
    assert all(event.message not in rig.app.consumer.unacked for event in (events[0], events[1], late[0]))
