"""The oracle: recount the source topics from their beginning, and compare everything with it.

It reads nothing but Kafka and the RocksDB files of stopped workers, and shares no code with what it judges. Sound is an
experiment in which

- every key's state in the changelog is what the recount makes of the source topics,
- every RocksDB database is exactly its changelog up to the offset it has persisted, and one of them is at the end,
- every derived event is there under the one id that its cause gives it, in the order of the causes, with one content;
  copies under the same id are counted, not faulted: readers skip them by the id,
- the committed offsets are at the end of the topics.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, cast
from uuid import UUID, uuid5

import msgspec
import orjson
import rocksdict

from tests.lab.cluster import Cluster

NAMESPACE = UUID("d9c8b8dc-969b-50b1-8d91-b959c51123b0")
OFFSET_KEY = b"__faust\0offset__"
WATERMARK_KEY = b"\x00watermark"


def derived_id(cause: str, event_type: str) -> str:
    """Return the id of the first event of a type that a cause derives (conventions, section 3)."""
    return str(uuid5(NAMESPACE, f"{cause}|{event_type}|0"))


@dataclass
class Recount:
    """What should be there: the state of each key (None: forgotten), and per partition the derived ids in order."""

    states: dict[bytes, Any] = field(default_factory=dict)
    derived: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))


def count(records: Iterable[Any]) -> Recount:
    """Recount what `tests.lab.counting` does."""
    found = Recount()
    for record in records:
        try:
            cause, number = orjson.loads(record.value)
        except orjson.JSONDecodeError:
            continue
        events, total = found.states.get(record.key) or [0, 0]
        found.states[record.key] = None if number < 0 else [events + 1, total + number]
        found.derived[record.partition].append(derived_id(cause, "lab.counted"))
    return found


def read(records: Iterable[Any]) -> Recount:
    """Recount what `tests.lab.reading` does with the good records, whose `event_type` is `lab.good`."""
    found = Recount()
    for record in records:
        if b'"lab.good"' in (record.value or b""):
            found.states[record.key] = found.states.get(record.key, 0) + 1
    return found


def ring(records: Iterable[Any]) -> Recount:
    """Recount what `tests.lab.timing` does; `pending` alarms have no tick behind them yet."""
    found = Recount()
    alarms: dict[int, dict[bytes, list[Any]]] = defaultdict(dict)
    for record in records:
        value = orjson.loads(record.value)
        keys = alarms[record.partition]
        if isinstance(value, list):
            rang = keys[record.key][1] if record.key in keys else 0
            keys[record.key] = [value[1], rang, value[0]]
            found.states[record.key] = keys[record.key]
            continue
        now = round(datetime.fromisoformat(value["event_timestamp"]).timestamp() * 1_000_000)
        ready = sorted((alarm[0], key) for key, alarm in keys.items() if alarm[0] is not None and alarm[0] <= now)
        for due, key in ready:
            _, rang, set_by = keys[key]
            found.derived[record.partition].append(derived_id(set_by, "lab.rang"))
            if due % 2:
                del keys[key]
                found.states[key] = None
            else:
                keys[key] = [None, rang + 1, set_by]
                found.states[key] = keys[key]
    return found


class Database(NamedTuple):
    """One partition's RocksDB: the changelog offset it has persisted (-1: none), and its rows."""

    partition: int
    offset: int
    rows: dict[bytes, bytes]


def databases(folder: Path, table: str) -> Iterator[Database]:
    """Read every database of a table in a stopped worker's data folder."""
    # A worker killed while it made a database leaves one without CURRENT: nothing was ever written to it.
    for path in sorted(current.parent for current in folder.glob(f"**/{table}-*.db/CURRENT")):
        options = rocksdict.Options(raw_mode=True)
        database = rocksdict.Rdict(str(path), options=options, access_type=rocksdict.AccessType.read_only())
        try:
            rows = cast("dict[bytes, bytes]", dict(database.items()))
        finally:
            database.close()
        yield Database(int(path.stem.rpartition("-")[2]), int(rows.pop(OFFSET_KEY, b"-1")), rows)


def fold(changelog: Iterable[Any], until: int) -> dict[bytes, bytes]:
    """Return what a changelog partition holds at an offset."""
    rows: dict[bytes, bytes] = {}
    for record in changelog:
        if record.offset > until:
            break
        if record.value is None:
            rows.pop(record.key, None)
        else:
            rows[record.key] = record.value
    return rows


class Experiment(NamedTuple):
    """What is to be judged: names as on the broker, the recount of its worker, the data folders of its workers."""

    group: str
    topics: Sequence[str]
    derived: str
    table: str
    recount: Callable[[Iterable[Any]], Recount]
    folders: Sequence[Path]

    @property
    def changelog(self) -> str:
        return f"{self.group}-{self.table}-changelog"


@dataclass
class Audit:
    """The judgement. `copies` are derived events beyond the first of their id; `rows` the changelog's last values."""

    flaws: list[str] = field(default_factory=list)
    events: int = 0
    copies: int = 0
    rows: dict[bytes, bytes] = field(default_factory=dict)

    def expect(self, holds: bool, flaw: str) -> None:
        if not holds:
            self.flaws.append(flaw)

    def assert_sound(self) -> None:
        """Raise AssertionError with the first flaws when there are any."""
        assert not self.flaws, f"{len(self.flaws)} flaws, such as\n" + "\n".join(self.flaws[:10])
        assert self.events, "nothing was processed: the experiment proves nothing"


async def audit(cluster: Cluster, experiment: Experiment) -> Audit:
    """Judge an experiment whose workers have stopped and whose topics nobody writes any more."""
    found = Audit()
    source = [record for topic in experiment.topics for record in await cluster.read(topic)]
    expected = experiment.recount(source)
    found.events = len(source)
    changelog = _by_partition(await cluster.read(experiment.changelog))
    for records in changelog.values():
        found.rows |= fold(records, records[-1].offset)
    _judge_states(found, expected)
    _judge_databases(found, changelog, experiment)
    _judge_derived(found, expected, await cluster.read(experiment.derived), in_order=len(experiment.topics) == 1)
    committed = await cluster.committed(experiment.group)
    for tp, end in (await cluster.ends(*experiment.topics)).items():
        found.expect(end == committed.get(tp, 0), f"{tp} ends at {end}, committed is {committed.get(tp)}")
    return found


def states(changelog: Iterable[Any]) -> dict[bytes, Any]:
    """Return the state of every key that a changelog knows and that is not forgotten."""
    last = {record.key: record.value for record in changelog if record.key != WATERMARK_KEY}
    decoded = {key: msgspec.msgpack.decode(row)[2] for key, row in last.items() if row is not None}
    return {key: state for key, state in decoded.items() if state is not None}


def watermarks(changelog: Iterable[Any]) -> dict[tuple[str, int], int]:
    """Return the offset last applied of every source topic and partition, as a changelog says it."""
    found: dict[tuple[str, int], int] = {}
    for record in changelog:
        if record.key == WATERMARK_KEY:
            marks = msgspec.msgpack.decode(record.value)[1]
            found |= {(topic, record.partition): offset for topic, offset in marks.items()}
    return found


def _judge_states(found: Audit, expected: Recount) -> None:
    states = {key: msgspec.msgpack.decode(row)[2] for key, row in found.rows.items() if key != WATERMARK_KEY}
    for key, state in expected.states.items():
        found.expect(states.get(key) == state, f"key {key!r} is {states.get(key)} in the changelog, recounted {state}")
    for key in states.keys() - expected.states.keys():
        found.flaws.append(f"key {key!r} is in the changelog, but in no source topic")


def _judge_databases(found: Audit, changelog: dict[int, list[Any]], experiment: Experiment) -> None:
    newest: dict[int, int] = defaultdict(lambda: -1)
    for folder in experiment.folders:
        for database in databases(folder, experiment.table):
            partition, offset, rows = database
            newest[partition] = max(newest[partition], offset)
            held = fold(changelog.get(partition, []), offset)
            strays = {key for key in held.keys() | rows.keys() if held.get(key) != rows.get(key)}
            found.expect(
                not strays,
                f"{folder.name}: {len(strays)} keys of partition {partition} differ from the changelog at {offset}, "
                f"such as {sorted(strays)[:3]}",
            )
    for partition, records in changelog.items():
        end = records[-1].offset
        found.expect(newest[partition] == end, f"changelog {partition} ends at {end}, RocksDB at {newest[partition]}")


def _judge_derived(found: Audit, expected: Recount, derived: list[Any], *, in_order: bool) -> None:
    first: dict[str, Any] = {}
    seen: dict[int, list[str]] = defaultdict(list)
    for record in derived:
        event_id = orjson.loads(record.value)["event_id"]
        if event_id in first:
            found.copies += 1
            same = first[event_id] == _content(record) or not in_order
            found.expect(same, f"derived event {event_id} came twice with different contents")
        else:
            first[event_id] = _content(record)
            seen[record.partition].append(event_id)
    for partition in expected.derived.keys() | seen.keys():
        want, got = expected.derived[partition], seen[partition]
        missing, extra = set(want) - set(got), set(got) - set(want)
        found.expect(not missing, f"{len(missing)} derived events of partition {partition} are missing")
        found.expect(not extra, f"{len(extra)} derived events of partition {partition} have no cause")
        if in_order and not missing and not extra:
            found.expect(want == got, f"derived events of partition {partition} are not in the order of their causes")


def _content(record: Any) -> Any:
    """Return what replays must not change; which worker emitted an event is not part of it."""
    event = orjson.loads(record.value)
    return record.key, {name: value for name, value in event.items() if not name.startswith("source")}


def _by_partition(records: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for record in records:
        found[record.partition].append(record)
    return dict(found)
