"""One task per partition number: what is queued for it is one step, and partitions overlap their waits.

A step at a time for all partitions would be correct but slow at low load, because each small batch costs two round
trips to the broker. Lanes are keyed by partition *number*, not by topic-partition: an agent with two source topics has
one table partition for both, and two steps at once would each overwrite what the other read.

A lane never blocks the agent's stream (a full agent queue would block every other partition): when it holds too many
records it asks the consumer to stop fetching its own partitions.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

import faust
import structlog
from faust.types import TP, EventT

from bridge_app.errors import Fenced
from bridge_app.events.record import Record
from bridge_app.runtime.alarms import Alarm
from bridge_app.runtime.batches import BatchMessage

if TYPE_CHECKING:
    from bridge_app.runtime.app import BridgeApp

log = structlog.get_logger(__name__)

#: Records in one step. A larger one amortises the round trips better; this bounds its memory and its time.
MAX_STEP_RECORDS = 5000
#: Records held per partition; above it fetching is held until half of them are done.
MAX_QUEUED_RECORDS = 4096

BatchEvent = EventT[list[Record]]
Step = Callable[[BatchMessage, list[Record]], Awaitable[int | None]]


class Lanes:
    """The lanes of one agent. `step(message, records)` handles records of one topic-partition; `message` is the last
    batch they came in. When it returns, all of them took effect, or, if it returns an offset, those before that one,
    and the topic has stopped; when it raises, the worker stops and they come again.
    """

    def __init__(self, app: "BridgeApp", name: str, step: Step) -> None:
        self._app = app
        self._name = name
        self._step = step
        self._queues: dict[int, deque[BatchEvent]] = defaultdict(deque)
        self._queued: dict[int, int] = defaultdict(int)
        self._held: dict[int, set[TP]] = defaultdict(set)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._generation: int | None = None

    async def run(self, stream: faust.Stream[list[Record]]) -> None:
        """Take batches from an agent's stream until it ends. Faust never acks them; a lane does."""
        async for event in stream.noack().events():
            self._add(event)

    @property
    def is_open(self) -> bool:
        """Whether batches are taken; while they are not, partitions are being given away."""
        return self._generation is not None

    def open(self, generation_id: int) -> None:
        """Take batches of this generation from now on."""
        self._generation = generation_id

    def close(self) -> None:
        """Drop what is queued and take nothing until opened; steps in progress go on."""
        self._generation = None
        for queue in self._queues.values():
            for event in queue:
                self._forget(event)
            queue.clear()
        self._queued.clear()
        self._held.clear()

    async def settled(self) -> None:
        """Wait until no step is in progress."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def give_up(self) -> None:
        """End the steps in progress as a kill would: they are not acknowledged, and their records come again."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _add(self, event: BatchEvent) -> None:
        message = event.message
        if message.generation_id != self._generation or message.topic in self._app.guard.stopped:
            self._forget(event)
            return
        partition = message.partition
        self._queues[partition].append(event)
        self._queued[partition] += len(event.value)
        if self._queued[partition] > MAX_QUEUED_RECORDS:
            self._held[partition].add(message.tp)
            self._app.consumer.on_buffer_full(message.tp)
        if partition not in self._tasks:
            self._tasks[partition] = asyncio.create_task(self._lane(partition), name=f"{self._name}-{partition}")

    def _forget(self, event: BatchEvent) -> None:
        # Faust's shutdown waits for every unacked message; this one is read again by whoever owns the partition.
        self._app.consumer.unacked.discard(event.message)

    async def _lane(self, partition: int) -> None:
        queue = self._queues[partition]
        try:
            while queue:
                events, records = self._take(partition, queue)
                message = cast(BatchMessage, events[-1].message)
                stopped_at: int | None = records[0].offset
                if message.topic not in self._app.guard.stopped:
                    stopped_at = await self._step(message, records)
                self._done(events, stopped_at)
                if self._queued[partition] <= MAX_QUEUED_RECORDS // 2:
                    self._release(partition)
        except Exception as error:  # whatever a step raises, the worker must stop without acknowledging the batch
            log.exception("step_failed", agent=self._name, partition=partition)
            if not isinstance(error, Fenced):
                self._alarm(error)
            await self._app.crash(error)
        finally:
            del self._tasks[partition]

    def _alarm(self, error: Exception) -> None:
        message = f"{self._name} stopped, and the worker with it: {type(error).__name__}: {error}"
        self._app.alarm(Alarm("AGENT_STOPPED", message, {"agent": self._name}))

    def _done(self, events: list[BatchEvent], stopped_at: int | None) -> None:
        """Acknowledge what took effect: all, or what comes before the offset at which the topic stopped."""
        for event in events:
            if stopped_at is None or event.message.offset < stopped_at:
                event.ack()
            else:
                self._app.consumer.acknowledge_before(cast(BatchMessage, event.message), stopped_at)
                self._forget(event)

    def _release(self, partition: int) -> None:
        """Fetch again what was held, of every topic: the lane may be done with one long before it drains."""
        for tp in self._held.pop(partition, ()):
            self._app.consumer.on_buffer_drop(tp)

    def _take(self, partition: int, queue: deque[BatchEvent]) -> tuple[list[BatchEvent], list[Record]]:
        """Merge queued batches of one topic into one step."""
        events = [queue.popleft()]
        records = cast("list[Record]", events[0].value)
        topic = events[0].message.topic
        while queue and queue[0].message.topic == topic and len(records) + len(queue[0].value) <= MAX_STEP_RECORDS:
            events.append(queue.popleft())
            records = records + cast("list[Record]", events[-1].value)
        self._queued[partition] -= len(records)
        return events, records
