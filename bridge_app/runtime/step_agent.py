"""An agent is a topic, a table and a pure step. This module is the order of work inside a step.

For the records of one topic-partition that are queued in a lane, `StepAgent` does:

    1. decode each record; count what cannot be decoded, skip what the watermarks say was applied
    2. read the row of each key when it is first touched
    3. apply the pure step, event by event; a tick applies `elapse` to every key whose deadline has come
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
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Derived, Outgoing, derive, encode
from bridge_app.runtime.batches import BatchMessage, Record, raw_batches
from bridge_app.runtime.due import DueIndex
from bridge_app.runtime.lanes import Lanes
from bridge_app.runtime.producer import Send
from bridge_app.runtime.rows import RESERVED_PREFIX, Row, Watermarks
from bridge_app.runtime.state_table import StateTable

if TYPE_CHECKING:
    from bridge_app.runtime.app import BridgeApp

log = structlog.get_logger(__name__)

S = TypeVar("S")
E = TypeVar("E")


class Timers(NamedTuple, Generic[S, E]):
    """How a step learns of time: `tick_us` returns the time of a tick, None for other events; `due` a state's deadline;
    `elapse(key, state, now)` what becomes of a state whose deadline has come. It must move the deadline on.
    """

    tick_us: Callable[[E], int | None]
    due: Callable[[S], int | None]
    elapse: Callable[[str, S, int], Outcome[S]]


@dataclass
class AgentCounts:
    """What an agent has done since the start of the worker."""

    applied: int = 0
    skipped: int = 0
    poison: int = 0
    derived: int = 0
    last_error: str | None = None


class StepAgent(Generic[S, E]):
    """Run `step(key, state, event)` over topics, effectively once.

    `topics` are catalogue names, co-partitioned when there is a table. `decode` raises `PoisonRecord` for a record that
    can never be handled: it is counted and passed over, or, with `dead_letter`, becomes that record on its `.dlq`
    topic. Without a table the step sees None as state and must return None.
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
        dead_letter: Callable[[Record, PoisonRecord], Outgoing] | None = None,
    ) -> None:
        self.app = app
        self.name = name
        self.topics = tuple(app.topic_name(topic) for topic in topics)
        self.decode = decode
        self.step = step
        self.table = table
        self.timers = timers
        self.dead_letter = dead_letter
        self.counts = AgentCounts()
        self._due: dict[int, tuple[int, DueIndex]] = {}
        self._lanes = Lanes(app, name, self._run_step)
        app.lanes.append(self._lanes)
        app.step_agents.append(self)
        app.batch_topics.update(self.topics)
        app.agent(app.topic(*self.topics, schema=raw_batches()), name=name)(self._consume)

    async def _consume(self, stream: StreamT[list[Record]]) -> None:
        await self._lanes.run(cast("faust.Stream[list[Record]]", stream))

    async def _run_step(self, message: BatchMessage, records: list[Record]) -> None:
        def allowed() -> None:
            self.app.fence.check(message.generation)

        work = _Work(self, message)
        for record in records:
            work.take(record)
        if work.outgoing:
            now_ms = self.app.clock.now_us() // 1000
            await self.app.batch_producer.produce_keyed(
                ((self.app.topic_name(out.topic), _send(out, now_ms)) for out in work.outgoing), allowed=allowed
            )
        if self.table is not None and (work.rows or work.outgoing):
            rows = {key: Row(entry.watermarks, entry.state) for key, entry in work.rows.items()}
            await self.table.write(message, rows, records[-1].offset, allowed=allowed)
        self.counts.derived += len(work.outgoing)

    def due_index(self, message: BatchMessage) -> DueIndex:
        """Return the deadlines of a partition, made anew from the table for each generation."""
        known = self._due.get(message.partition)
        if known is None or known[0] != message.generation:
            assert self.table is not None
            assert self.timers is not None
            index = DueIndex(self.table.deadlines(message.partition, self.timers.due))
            known = self._due[message.partition] = (message.generation, index)
        return known[1]


class _Entry(Generic[S]):
    """A key's row while a step works on it."""

    __slots__ = ("state", "watermarks")

    def __init__(self, state: S | None, watermarks: Watermarks) -> None:
        self.state = state
        self.watermarks = watermarks


class _Work(Generic[S, E]):
    """Points 1 to 3 for the records of one step: the rows they change and the records to send."""

    def __init__(self, agent: StepAgent[S, E], message: BatchMessage) -> None:
        self._agent = agent
        self._topic = message.topic
        self._partition = message.partition
        self._read: dict[bytes, _Entry[S]] = {}
        self.rows: dict[bytes, _Entry[S]] = {}
        self.outgoing: list[Outgoing] = []
        table = agent.table
        self._applied = -1 if table is None else table.watermarks(message.partition).get(message.topic, -1)
        self._due = agent.due_index(message) if agent.timers else None

    def take(self, record: Record) -> None:
        """Decode one record and apply it, unless it was applied before."""
        agent = self._agent
        if record.offset <= self._applied:
            agent.counts.skipped += 1
            return
        try:
            event = agent.decode(record)
            now = agent.timers.tick_us(event) if agent.timers else None
            if now is None:
                self._apply(record, event)
            else:
                self._tick(now, record.offset)
        except PoisonRecord as error:
            self._set_aside(record, error)
        else:
            agent.counts.applied += 1

    def _apply(self, record: Record, event: E) -> None:
        key = record.key
        if self._agent.table is None:
            self._send(self._agent.step("" if key is None else _text(key), None, event).derived)
            return
        if not key or key.startswith(RESERVED_PREFIX):
            raise PoisonRecord("INVALID_PAYLOAD", "the record has no usable key", {"path": "key"})
        entry = self._entry(key)
        if record.offset <= entry.watermarks.get(self._topic, -1):
            self._agent.counts.skipped += 1
            return
        self._keep(key, entry, self._agent.step(_text(key), entry.state, event), record.offset)

    def _tick(self, now: int, offset: int) -> None:
        assert self._due is not None
        timers = self._agent.timers
        assert timers is not None
        while (key := self._due.pop(now)) is not None:
            entry = self._entry(key)
            if offset <= entry.watermarks.get(self._topic, -1):
                continue
            while entry.state is not None and (due := timers.due(entry.state)) is not None and due <= now:
                self._keep(key, entry, timers.elapse(_text(key), entry.state, now), offset)
                if entry.state is not None and timers.due(entry.state) == due:
                    raise RuntimeError(f"{self._agent.name}: elapse left the deadline of {key!r} where it was")

    def _entry(self, key: bytes) -> _Entry[S]:
        entry = self._read.get(key)
        if entry is None:
            assert self._agent.table is not None
            row = self._agent.table.read(self._partition, key)
            entry = _Entry(None, {}) if row is None else _Entry(row.state, row.watermarks)
            self._read[key] = entry
        return entry

    def _keep(self, key: bytes, entry: _Entry[S], outcome: Outcome[S], offset: int) -> None:
        entry.state = outcome.state
        entry.watermarks[self._topic] = offset
        self.rows[key] = entry
        self._send(outcome.derived)
        if self._due is not None and self._agent.timers is not None:
            self._due.put(key, None if outcome.state is None else self._agent.timers.due(outcome.state))

    def _send(self, derived: Sequence[Derived]) -> None:
        for one in derived:
            self.outgoing.append(encode(one.topic, derive(one, self._agent.app.identity)))

    def _set_aside(self, record: Record, error: PoisonRecord) -> None:
        agent = self._agent
        agent.counts.poison += 1
        agent.counts.last_error = str(error)
        log.warning(
            "record_set_aside", agent=agent.name, topic=record.topic, partition=record.partition, offset=record.offset,
            error_type=error.error_type, error=error.message,
        )  # fmt: skip
        if agent.dead_letter is not None:
            self.outgoing.append(agent.dead_letter(record, error))


def _text(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise PoisonRecord("INVALID_UTF8", "the key is not UTF-8", {"path": "key"}) from error


def _send(outgoing: Outgoing, now_ms: int) -> Send:
    # A broker refuses records from the future (`message.timestamp.after.max.ms`), and an event's time may be anybody's.
    return Send(outgoing.key, outgoing.value, min(outgoing.timestamp_ms, now_ms), outgoing.headers)


AnyStepAgent = StepAgent[Any, Any]
