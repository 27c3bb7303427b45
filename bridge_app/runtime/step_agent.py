"""An agent is a topic, a table and a pure step. This module is the order of work inside a step.

For the records of one topic-partition that are queued in a lane, `StepAgent` does:

    1. decode each record; count what cannot be decoded, skip what the watermarks say was applied
    2. read the row of each key when it is first touched
    3. apply the pure step, event by event; a tick applies `elapse` to every key whose deadline has come, and `drop` to
       those that are too many: then the step ends with it, and the records behind it are another
    4. send the derived events and dead letters, and await every acknowledgement
    5. send the changelog records, the partition's watermark last, and await every acknowledgement
    6. write RocksDB once: the new rows, the watermark and the changelog offset
    7. return, and the lane acknowledges the records; their offsets are committed later

A crash before the end of 5 replays the records against the old state and derives the same events with the same ids; a
crash after it finds the watermarks and skips them. Sending 4 and 5 in one burst would lose events: with the changelog
durable and a derived event not, the watermark skips it for ever. Derived events come from one source event and the
state before it, never from a batch, because batch boundaries differ on a replay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

import faust
import structlog
from faust.types import StreamT

from bridge_app.domain import Outcome
from bridge_app.domain.database_adapter.letters import Failure, dead_letter
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Derived, derive, encode
from bridge_app.events.record import Record
from bridge_app.runtime.agent_meter import AgentMeter
from bridge_app.runtime.alarms import Alarm
from bridge_app.runtime.batches import BatchMessage, raw_batches
from bridge_app.runtime.bounds import Bound, PartitionIndex
from bridge_app.runtime.lanes import Lanes
from bridge_app.runtime.producer import Send
from bridge_app.runtime.rows import RESERVED_PREFIX, Row
from bridge_app.runtime.slices import HURRIED_SLICE_SECONDS, SLICE_SECONDS
from bridge_app.runtime.state_table import StateTable

if TYPE_CHECKING:
    from bridge_app.runtime.app import BridgeApp

log = structlog.get_logger(__name__)

S = TypeVar("S")
E = TypeVar("E")


class Timers(NamedTuple, Generic[S, E]):
    """How a step learns of time: `tick_us` returns the time of a tick, None for other events; `due` a state's deadline;
    `elapse(key, state, now)` what becomes of a state whose deadline has come. It is called until no deadline is left.
    Each tick applies the `bounds` as well, one after the other; they are for agents of one topic.
    """

    tick_us: Callable[[E], int | None]
    due: Callable[[S], int | None]
    elapse: Callable[[str, S, int], Outcome[S]]
    bounds: Sequence[Bound[S]] = ()


@dataclass
class AgentCounts:
    """What an agent has done since the start of the worker. `applied` and `skipped` count events, but no ticks."""

    applied: int = 0
    skipped: int = 0
    poison: int = 0
    derived: int = 0
    last_error: str | None = None


class StepAgent(Generic[S, E]):
    """Run `step(key, state, event)` over topics, effectively once.

    `topics` are catalogue names, co-partitioned when there is a table. Without a table the step sees None as state and
    returns None. A record that the step refuses with `PoisonRecord` goes to the topic's dead letters; so does one that
    `decode` refuses, but where the database adapter reads the topic (`adapter_reads`), those are only counted here, and
    dead-lettered by it. Too many dead letters of this agent's own stop the topic (`guard`). `decided` is told how long
    points 1 to 3 of a step took, in seconds.
    """

    def __init__(
        self,
        app: "BridgeApp",
        *,
        name: str,
        topics: Sequence[str],
        decode: Callable[[Record], E],
        step: Callable[[str, S | None, E], Outcome[S]],
        table: StateTable[S] | None = None,
        timers: Timers[S, E] | None = None,
        adapter_reads: bool = True,
        decided: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.app = app
        self.name = name
        self.topics = tuple(app.topic_name(topic) for topic in topics)
        self.decode = decode
        self.step = step
        self.table = table
        self.timers = timers
        self.adapter_reads = adapter_reads
        self.counts = AgentCounts()
        self._decided = decided
        self._meter = AgentMeter(app.metrics, name)
        self._index: dict[int, tuple[int, PartitionIndex[S]]] = {}
        self._lanes = Lanes(app, name, self._run_step)
        app.lanes.append(self._lanes)
        app.step_agents.append(self)
        app.batch_topics.update(self.topics)
        app.agent(app.topic(*self.topics, schema=raw_batches()), name=name)(self._consume)

    async def _consume(self, stream: StreamT[list[Record]]) -> None:
        await self._lanes.run(cast("faust.Stream[list[Record]]", stream))

    async def _run_step(self, message: BatchMessage, records: list[Record]) -> int | None:
        """Do the steps of records of one partition; return the offset at which its topic stops, if it does."""
        while records:
            taken, stopped_at = await self._run_part(message, records)
            if stopped_at is not None:
                self._tell_of_stop(message.topic)
                return stopped_at
            records = records[taken:]
        return None

    async def _run_part(self, message: BatchMessage, records: list[Record]) -> tuple[int, int | None]:
        """Do one step; return how many records it took, and the offset at which the topic stops, if it does."""

        def allowed() -> None:
            self.app.fence.check(message.generation)

        monotonic, meter = self.app.clock.monotonic, self._meter
        started = monotonic()
        work = _Work(self, message)
        taken, stopped_at = await self._decide(work, records)
        if work.outgoing:
            await self.app.batch_producer.produce_keyed(work.outgoing, allowed=allowed, retried=meter.retried)
        if self.table is not None and (work.rows or work.outgoing):
            last = records[taken - 1].offset if stopped_at is None else stopped_at - 1
            await self.table.write(message, work.rows, last, allowed=allowed, retried=meter.retried)
        self.counts.derived += len(work.outgoing)
        meter.events(work.applied, work.skipped)
        meter.dead_lettered(work.letters)
        meter.batch(taken, monotonic() - started)
        return taken, stopped_at

    async def _decide(self, work: "_Work[S, E]", records: list[Record]) -> tuple[int, int | None]:
        """Do points 1 to 3, in slices, up to a record that ends the step.

        Partitions are about to be given away when the lanes are closed: the step is waited for then, in long slices.

        Returns:
            How many records were taken, and the offset at which the topic stops, if it does.
        """
        monotonic, slices = self.app.clock.monotonic, self.app.slices
        await slices.turn()
        began, spent = monotonic(), 0.0
        taken, stopped_at = len(records), None
        for number, record in enumerate(records):
            if not work.take(record):
                taken, stopped_at = number, record.offset
                break
            if work.is_over:
                taken = number + 1
                break
            passed = monotonic() - began
            if passed >= (SLICE_SECONDS if self._lanes.is_open else HURRIED_SLICE_SECONDS):
                spent += passed
                await slices.turn()
                began = monotonic()
        work.finish()
        self._decided(spent + monotonic() - began)
        return taken, stopped_at

    def _tell_of_stop(self, topic: str) -> None:
        _, error = self.app.guard.stopped[topic]
        log.critical("topic_stopped", agent=self.name, topic=topic, error=error)
        message = f"{self.name} stopped topic {topic}: too many records cannot be handled; the last: {error}"
        self.app.alarm(Alarm("TOPIC_STOPPED", message, self.place(topic)))

    async def resume(self, topic: str, free: int = 0) -> bool:
        """Read a stopped topic again, from the record at which it stopped; return whether it had stopped.

        `topic` is named as on the broker. Its bad records are counted anew, behind the first `free`, and so may stop it
        again.
        """
        if topic not in self.app.guard.stopped:
            return False
        await self.app.consumer.read_again(topic)
        log.info("topic_resumed", agent=self.name, topic=topic)
        for agent in self.app.step_agents:  # they stop a topic together, and any of them may have said so
            self.app.clear_alarm("TOPIC_STOPPED", agent.place(topic))
        return self.app.guard.resume(topic, free)

    def place(self, topic: str) -> dict[str, str]:
        """Return where an alarm about one of the agent's topics is."""
        return {"agent": self.name, "topic": topic}

    def index(self, message: BatchMessage) -> PartitionIndex[S]:
        """Return the index of a partition, made anew from the table for each generation."""
        known = self._index.get(message.partition)
        if known is None or known[0] != message.generation:
            assert self.table is not None
            assert self.timers is not None
            index = PartitionIndex(
                self.table.survey(message.partition),
                topic=message.topic,
                applied=self.table.watermarks(message.partition).get(message.topic, -1),
                due=self.timers.due,
                bounds=self.timers.bounds,
            )
            known = self._index[message.partition] = (message.generation, index)
        return known[1]


class _Work(Generic[S, E]):
    """Points 1 to 3 for the records of one step: the rows they change, the records to send, the error type of each
    dead letter among them.
    """

    def __init__(self, agent: StepAgent[S, E], message: BatchMessage) -> None:
        self._agent = agent
        self._topic = message.topic
        self._partition = message.partition
        self._good = 0
        self._read: dict[bytes, Row[S]] = {}
        self.applied = self.skipped = 0
        self.rows: dict[bytes, Row[S]] = {}
        self.outgoing: list[tuple[str, Send]] = []
        self.letters: list[str] = []
        self._now_us = agent.app.clock.now_us()
        table = agent.table
        self._applied = -1 if table is None else table.watermarks(message.partition).get(message.topic, -1)
        self._index = agent.index(message) if agent.timers else None
        self.is_over = False

    def take(self, record: Record) -> bool:
        """Decode one record and apply it, unless it was applied before.

        Returns:
            False when the topic stops at this record, which then had no effect.
        """
        agent = self._agent
        if record.offset <= self._applied:
            self.skipped += 1
            return True
        try:
            event = agent.decode(record)
        except PoisonRecord as error:
            return self._set_aside(record, error, with_letter=not agent.adapter_reads)
        try:
            now = agent.timers.tick_us(event) if agent.timers else None
            if now is not None:
                self._tick(now, record.offset)
                return True
            self._apply(record, event)
        except PoisonRecord as error:
            return self._set_aside(record, error, with_letter=True)
        self._good += 1
        return True

    def finish(self) -> None:
        """Add what was done to the counts of the agent: once per step, not per event."""
        self._count_good()
        self._agent.counts.applied += self.applied
        self._agent.counts.skipped += self.skipped

    def _count_good(self) -> None:
        """Hand the guard what was handled since the last bad record."""
        if self._good:
            self._agent.app.guard.good(self._agent.name, self._topic, self._good)
            self._good = 0

    def _apply(self, record: Record, event: E) -> None:
        key = record.key
        if self._agent.table is None:
            self._send(self._agent.step((key or b"").decode(errors="replace"), None, event).derived)
            self.applied += 1
            return
        if not key or key.startswith(RESERVED_PREFIX):
            raise PoisonRecord("INVALID_PAYLOAD", "the record has no usable key", {"path": "key"})
        row = self._row(key)
        if record.offset <= row.watermarks.get(self._topic, -1):
            self.skipped += 1
            return
        self._keep(key, row, self._agent.step(_text(key), row.state, event), record.offset)
        self.applied += 1

    def _tick(self, now: int, offset: int) -> None:
        assert self._index is not None
        timers, deadlines = self._agent.timers, self._index.deadlines
        assert timers is not None
        later: dict[bytes, int | None] = {}
        while (key := deadlines.pop(now)) is not None:
            row = self._row(key)
            if offset > row.watermarks.get(self._topic, -1):  # else the row outlived a kill: a later tick is for it
                self._elapse(key, row, now, offset)
            # It may be due as before, or the deadline has moved away with a setting.
            later[key] = None if row.state is None else timers.due(row.state)
        for key, due in later.items():
            deadlines.put(key, due)
        self._make_room(now, offset)

    def _elapse(self, key: bytes, row: Row[S], now: int, offset: int) -> None:
        """Let every deadline of a key pass that has come at a tick."""
        timers = self._agent.timers
        assert timers is not None
        while row.state is not None and (due := timers.due(row.state)) is not None and due <= now:
            before = row.state
            self._keep(key, row, timers.elapse(_text(key), before, now), offset)
            if row.state == before:
                raise RuntimeError(f"{self._agent.name}: elapse changed nothing at the deadline of {key!r}")

    def _make_room(self, now: int, offset: int) -> None:
        """Drop the keys that are too many at a tick."""
        assert self._index is not None
        for bound, key in self._index.surplus(offset):
            row = self._row(key)
            assert row.state is not None
            outcome = bound.drop(_text(key), row.state, now)
            if outcome.state is not None and bound.updated_us(outcome.state) is not None:
                raise RuntimeError(f"{self._agent.name}: {key!r} was dropped and still counts")
            self._keep(key, row, outcome, offset)
            self.is_over = True

    def _row(self, key: bytes) -> Row[S]:
        row = self._read.get(key)
        if row is None:
            assert self._agent.table is not None
            row = self._agent.table.read(self._partition, key) or Row({}, None)
            self._read[key] = row
        return row

    def _keep(self, key: bytes, row: Row[S], outcome: Outcome[S], offset: int) -> None:
        row.state = outcome.state
        row.watermarks[self._topic] = offset
        self.rows[key] = row
        if outcome.derived:
            self._send(outcome.derived)
        if self._index is not None:
            self._index.note(key, outcome.state)

    def _send(self, derived: Sequence[Derived]) -> None:
        app = self._agent.app
        for one in derived:
            out = encode(app.topic_name(one.topic), derive(one, app.identity))
            # A broker refuses records from the future, and an event's time may be anybody's.
            timestamp_ms = min(out.timestamp_ms, self._now_us // 1000)
            value = None if one.is_tombstone else out.value
            self.outgoing.append((out.topic, Send(out.key, value, timestamp_ms, out.headers)))

    def _set_aside(self, record: Record, error: PoisonRecord, *, with_letter: bool) -> bool:
        """Count a bad record, and dead-letter it if asked to; return False when its topic stops here instead."""
        agent, guard = self._agent, self._agent.app.guard
        self._count_good()
        judge = guard.bad if with_letter else guard.left
        if judge(agent.name, self._topic, str(error)):
            return False
        agent.counts.poison += 1
        agent.counts.last_error = str(error)
        log.warning(
            "record_set_aside", agent=agent.name, topic=record.topic, partition=record.partition, offset=record.offset,
            error_type=error.error_type, error=error.message,
        )  # fmt: skip
        if with_letter:
            failure = Failure(error, self._now_us, agent=agent.name)
            letter = dead_letter(record, failure, agent.app.identity, agent.app.settings.kafka_dlq_suffix)
            self.outgoing.append((letter.topic, Send(letter.key, letter.value, letter.timestamp_ms, letter.headers)))
            self.letters.append(error.error_type)
        return True


def _text(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise PoisonRecord("INVALID_UTF8", "the key is not UTF-8", {"path": "key"}) from error


AnyStepAgent = StepAgent[Any, Any]
