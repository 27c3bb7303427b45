"""One step agent on a real RocksDB, with a broker that takes what it is sent and acknowledges it when the test says so.

The client library is what is stood in for: everything above it is the runtime's own.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import orjson
from aiokafka.errors import KafkaTimeoutError
from faust.types import TP

from bridge_app.domain import Outcome
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Cause, Derived, Identity
from bridge_app.events.record import Record
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.batches import new_batch
from bridge_app.runtime.bounds import Bound
from bridge_app.runtime.rows import WATERMARK_KEY
from bridge_app.runtime.step_agent import StepAgent, Timers
from bridge_app.settings import Settings

GENERATION = 7
SOURCE, DERIVED = "rig.in", "rig.out"
#: Records in one batch of the client: few, so that a send is several batches.
BATCH_RECORDS = 3
#: More turns of the event loop than any step takes from one wait for the broker to the next.
TURNS = 50


class Input(NamedTuple):
    """A record of the source topic."""

    offset: int
    key: bytes
    value: bytes
    topic: str = SOURCE
    partition: int = 0
    timestamp: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def tick(offset: int, now: int = 0) -> Input:
    """Return a record that lets deadlines and limits act."""
    return Input(offset, b"tick", orjson.dumps(["tick", now]))


def put(offset: int, key: str, number: int = 1) -> Input:
    """Return a record that adds a number to its key; a negative one forgets the key."""
    return Input(offset, key.encode(), orjson.dumps([f"event-{offset}", number]))


class Count(msgspec.Struct, array_like=True):
    """What is kept per key; `last` is the number of the record that changed it."""

    events: int
    total: int
    last: int = 0


class Batch:
    """A batch of the client."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes | None]] = []

    def append(self, *, timestamp: int | None, key: bytes, value: bytes | None, headers: Any) -> bool | None:
        if len(self.records) == BATCH_RECORDS:
            return None
        self.records.append((key, value))
        return True

    def record_count(self) -> int:
        return len(self.records)


class Acknowledged(NamedTuple):
    """What the client says of a batch that the broker took."""

    offset: int


class HeldBroker:
    """Takes batches in the client's stead, while it has room. `acknowledge` and `refuse` settle the oldest of them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[tuple[bytes, bytes | None]]]] = []
        self.has_room = True
        self._waiting: list[tuple[str, Batch, asyncio.Future[Acknowledged]]] = []
        self._ends: dict[str, int] = {}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Acknowledged]:
        if not self.has_room:
            await asyncio.sleep(0)
            raise KafkaTimeoutError
        self.sent.append((topic, batch.records))
        future: asyncio.Future[Acknowledged] = asyncio.get_running_loop().create_future()
        self._waiting.append((topic, batch, future))
        return future

    async def partitions_for(self, topic: str) -> set[int]:
        return {0}

    @property
    def client(self) -> "HeldBroker":
        """What a send asks that waits long, be it for a busy machine."""
        return self

    @property
    def cluster(self) -> "HeldBroker":
        return self

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}

    @property
    def waiting(self) -> list[str]:
        """The topics of the batches that wait for their acknowledgement, in the order they were sent."""
        return [topic for topic, _batch, _future in self._waiting]

    def acknowledge(self, count: int = 1) -> None:
        for _ in range(count):
            topic, batch, future = self._waiting.pop(0)
            first = self._ends.get(topic, 0)
            self._ends[topic] = first + len(batch.records)
            future.set_result(Acknowledged(first))

    def refuse(self, error: Exception) -> None:
        self._waiting.pop(0)[2].set_exception(error)

    def changes(self, topic: str) -> list[tuple[bytes, bytes | None]]:
        """Return every record that was sent to a topic, acknowledged or not."""
        return [record for to, records in self.sent if to == topic for record in records]


class Rig:
    """A worker that was never started, with one agent that counts and derives one event of each.

    With a limit it keeps so many keys. Of one that leaves the sum remains, and so many sums are kept besides.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        settings = Settings.from_environ({"KAFKA_CONSUMER_GROUP": "rig", "BRIDGE_DATA_DIR": str(folder)})
        self.derives = True
        self.broker = HeldBroker()
        self.app = BridgeApp(settings, Identity("rig", "0", "i", "n", "test"), web_enabled=False)
        self.app.consumer_generation_id = GENERATION
        self.app.batch_producer._producer = cast(Any, self.broker)
        self.table = self.app.state_table("counts", state_type=Count, sources=[SOURCE], help="events and their sum")
        self.agent = StepAgent(
            self.app,
            name="count",
            topics=[SOURCE],
            decode=_decode,
            step=self._step,
            table=self.table,
            timers=None if limit is None else Timers(_tick, lambda _state: None, _never, _bounds(limit)),
        )
        self.changelog = self.table.changelog_topic_name

    def step(self, records: Iterable[Input]) -> asyncio.Task[int | None]:
        """Begin the step of some records of partition 0."""
        batch = cast("list[Record]", list(records))
        message = new_batch(TP(SOURCE, 0), batch, GENERATION)
        return asyncio.create_task(self.agent._run_step(message, batch))

    async def finish(self, step: asyncio.Task[int | None]) -> None:
        """Acknowledge whatever the step sends until it is done."""
        while not step.done():
            await self.idle()
            self.broker.acknowledge(len(self.broker.waiting))
        await step

    async def do(self, *records: Input) -> None:
        """Do one step with a broker that acknowledges everything."""
        await self.finish(self.step(records))

    async def idle(self) -> None:
        """Let everything run that does not wait for the broker."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def lose_watermark(self) -> None:
        """Leave what a kill in the middle of the changelog leaves: rows without the partition's watermark."""
        self.table._apply(0, [(WATERMARK_KEY, None)], 0)
        self.forget_caches()

    def forget_caches(self) -> None:
        """Read everything from RocksDB again, as after a restart."""
        self.table._watermarks.clear()
        self.table._graves.clear()
        self.agent._index.clear()

    def state(self, key: str) -> tuple[int, int] | None:
        """Return (events, total) of a key in RocksDB."""
        row = self.table.read(0, key.encode())
        return None if row is None or row.state is None else (row.state.events, row.state.total)

    def _step(self, key: str, state: Count | None, event: tuple[str, int]) -> Outcome[Count]:
        event_id, number = event
        before = state or Count(0, 0)
        last = int(event_id.removeprefix("event-"))
        after = None if number < 0 else Count(before.events + 1, before.total + number, last)
        derived = [_derived("rig.counted", key, after, event_id)]
        return Outcome(after, derived if self.derives else [])


def _derived(kind: str, key: str, state: Count | None, event_id: str) -> Derived:
    cause = Cause(event_id, 0, "c", "0" * 32)
    payload = {} if state is None else {"events": state.events, "total": state.total}
    return Derived(topic=DERIVED, event_type=kind, key=key, payload=payload, cause=cause)


def _tick(event: tuple[str, int]) -> int | None:
    return event[1] if event[0] == "tick" else None


def _never(_key: str, state: Count, _now: int) -> Outcome[Count]:
    raise AssertionError(f"{state} has no deadline")


def _bounds(limit: int) -> tuple[Bound[Count], ...]:
    def leave(key: str, state: Count, _now: int) -> Outcome[Count]:
        left = _derived("rig.left", key, state, f"event-{state.last}")
        return Outcome(Count(0, state.total, state.last), [left])

    return (
        Bound(limit, lambda state: state.last if state.events else None, leave),
        Bound(limit, lambda state: None if state.events else state.last, lambda _key, _state, _now: Outcome(None)),
    )


def _decode(record: Record) -> tuple[str, int]:
    try:
        event_id, number = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError as error:
        raise PoisonRecord("INVALID_JSON", str(error)) from error
    return event_id, number
