"""Oracle O (resilience §10): recount the topics, and compare Postgres and the derived events with that and the journal.

It reads Kafka and Postgres and imports nothing of the bridge. Sound is a trial in which, when the lag is 0,

- every accepted id has exactly one row in `event_logs`, every other at most one; and no row tells of anything else,
- the rows of a key are in the order of sending, as far as the contract orders them,
- every started instance has one observed and one settled `service_initialization` event, every timed start one
  `startup_measured`; the revisions of a pattern count up from 1 without a gap, and the last one is in Postgres,
- every event on a topic of patterns and performance is one row, whatever its number of copies,
- there are as many dead letters as the fault makes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from aiokafka import TopicPartition

from tests.lab.deployment import EXTRA, HOOKS, PATTERNS, PERFORMANCE, Deployment
from tests.lab.foreign import name_based
from tests.lab.workload import Fate, Journal, Sent

DISCOVERED = "intelligence.pattern.discovered"
MEASURED = "intelligence.performance.startup_measured"
#: In which what the agents derive becomes rows.
STORED_SECONDS = 30.0

_ROWS = """
    SELECT event_id::text, topic, event_key, "partition", "offset", event_type, causation_id::text,
        coalesce(payload->'service_info'->>'w', payload->>'w') AS number,
        extract(epoch FROM stored_at - kafka_timestamp)::float8 AS lag_seconds
    FROM event_logs
"""


class Row(NamedTuple):
    """A row of `event_logs`; `number` is what the workload numbered it by."""

    event_id: str
    topic: str
    key: str | None
    partition: int
    offset: int
    event_type: str
    causation_id: str | None
    number: str | None
    lag_seconds: float


@dataclass
class Report:
    """One line of the table of §10, and every flaw that was found."""

    fault: str
    seed: int
    accepted: int = 0
    failed: int = 0
    unknown: int = 0
    stored: int = 0
    missing: int = 0
    doubled: int = 0
    reordered: int = 0
    dead_lettered: int = 0
    recovery_seconds: float | None = None
    max_lag_seconds: float = 0.0
    flaws: list[str] = field(default_factory=list)

    def expect(self, holds: bool, flaw: str) -> None:
        if not holds:
            self.flaws.append(flaw)

    def assert_sound(self) -> None:
        """Raise AssertionError with the first flaws when there are any."""
        assert not self.flaws, f"SEED={self.seed}: {len(self.flaws)} flaws, such as\n" + "\n".join(self.flaws[:10])
        assert self.stored, "nothing was stored: the trial proves nothing"


async def judge(deployment: Deployment, journal: Journal, report: Report, *, dead_letters: int = 0) -> None:
    """Judge a trial whose workload is over and whose lag is 0; what is found is added to the report."""
    # A cohort changes by itself as time passes: what comes after this moment need not be stored yet.
    ends = await deployment.ends(PATTERNS, PERFORMANCE)
    await deployment.until_committed(deployment.adapter_group, ends, seconds=STORED_SECONDS)
    rows = [Row(*found) for found in await deployment.sql.fetch(_ROWS)]
    report.accepted, report.failed = len(journal.of(Fate.OK)), len(journal.of(Fate.FAILED))
    report.unknown = len(journal.of(Fate.UNKNOWN))
    report.max_lag_seconds = max((row.lag_seconds for row in rows), default=0.0)
    for topic, sent in ((HOOKS, journal.hooks), (EXTRA, journal.foreign)):
        judge_sent(report, sent, [row for row in rows if row.topic == deployment.topic(topic)])
    for topic in (PATTERNS, PERFORMANCE):
        records = await deployment.cluster.read(deployment.topic(topic))
        _judge_derived(report, records, ends, [row for row in rows if row.topic == deployment.topic(topic)])
    await _judge_starts(report, deployment)
    report.dead_lettered = int(await deployment.sql.fetchval("SELECT count(*) FROM dead_letters"))
    report.expect(
        report.dead_lettered == dead_letters, f"{report.dead_lettered} dead letters, expected were {dead_letters}"
    )


# -- (a), (b): what was sent


def judge_sent(report: Report, journal: Iterable[Sent], rows: list[Row]) -> None:
    by_number: dict[str | None, list[Row]] = defaultdict(list)
    for row in rows:
        by_number[row.number].append(row)
    for sent in journal:
        found = by_number.pop(sent.number, [])
        if len(found) > 1:
            report.doubled += 1
            report.flaws.append(f"{sent} has {len(found)} rows: {found}")
        if sent.fate is not Fate.OK:
            continue
        report.stored += bool(found)
        if not found:
            report.missing += 1
            report.flaws.append(f"{sent} is not stored")
        elif sent.event_id not in {row.event_id for row in found}:
            report.flaws.append(f"{sent} is stored under {found[0].event_id}")
    by_number.pop(None, None)
    report.expect(not by_number, f"rows that nobody sent: {list(by_number)[:5]}")
    _judge_order(report, journal, {row.number: row for row in rows})


def _judge_order(report: Report, journal: Iterable[Sent], rows: dict[str | None, Row]) -> None:
    """What Kafka had acknowledged comes before all that was sent later; what one worker took keeps its order there.

    Between an event that waits in the outbox of one worker and a later one that another worker takes there is no order.
    """
    acknowledged: dict[str, int] = {}
    by_worker: dict[tuple[str, str], int] = {}
    partitions: dict[str, int] = {}
    for sent in journal:
        row = rows.get(sent.number)
        if row is None or sent.fate is not Fate.OK:
            continue
        report.expect(
            partitions.setdefault(sent.key, row.partition) == row.partition, f"key {sent.key} is on two partitions"
        )
        chain = (sent.key, sent.worker)
        if row.offset <= max(acknowledged.get(sent.key, -1), by_worker.get(chain, -1)):
            report.reordered += 1
            report.flaws.append(f"{sent} is at {row.partition}:{row.offset}, behind what was sent later")
        by_worker[chain] = max(by_worker.get(chain, -1), row.offset)
        if sent.acknowledged:
            acknowledged[sent.key] = max(acknowledged.get(sent.key, -1), row.offset)


# -- (c): what the agents derive


def _judge_derived(report: Report, records: list[Any], ends: Mapping[TopicPartition, int], rows: list[Row]) -> None:
    """Judge one topic: what was there up to `ends` has a row, and every row is of an event that is there."""
    found = [(record, event["event_id"]) for record, event in _events(records)]
    due = {
        event_id for record, event_id in found if record.offset < ends[TopicPartition(record.topic, record.partition)]
    }
    stored = {row.event_id for row in rows}
    lost, odd = due - stored, stored - {event_id for _, event_id in found}
    report.expect(not lost, f"{len(lost)} derived events have no row, such as {sorted(lost)[:3]}")
    report.expect(not odd, f"{len(odd)} rows have no derived event, such as {sorted(odd)[:3]}")


async def _judge_starts(report: Report, deployment: Deployment) -> None:
    hooks = _first_copies(await deployment.cluster.read(deployment.topic(HOOKS)))
    patterns = _first_copies(await deployment.cluster.read(deployment.topic(PATTERNS)))
    measured = {
        event["event_id"]
        for event in _first_copies(await deployment.cluster.read(deployment.topic(PERFORMANCE)))
        if event["event_type"] == MEASURED
    }
    reports = [event for event in patterns if _is_start(event)]
    expected = recount(hooks)
    judge_initializations(report, expected, {event["event_id"] for event in reports})
    report.expect(measured == expected.measured, f"startup_measured: {_difference(measured, expected.measured)}")
    await _judge_revisions(report, deployment, reports)


@dataclass
class Recount:
    """What the lifecycle events on the topic must lead to.

    `settled` has for each start the ids of the events of which exactly one says how it ended: the confirmation, or the
    failure by a later event of its instance. Which one depends on times, of which a recount knows only those of events.
    """

    observed: set[str] = field(default_factory=set)
    settled: list[set[str]] = field(default_factory=list)
    measured: set[str] = field(default_factory=set)


def recount(hooks: Iterable[dict[str, Any]]) -> Recount:
    """Recount the lifecycle events of a topic, given without copies and in their order."""
    found = Recount()
    open_starts: dict[str, set[str]] = {}
    for event in hooks:
        info = event["payload"].get("service_info")
        if info is None:
            continue
        kind = f"{DISCOVERED}:{_pattern_uuid(event['environment'], info['name'])}"
        if event["event_type"] == "service.lifecycle.started":
            found.observed.add(name_based(event["event_id"], kind, 0))
            open_starts[info["instance_id"]] = endings = {name_based(event["event_id"], kind, 1)}
            found.settled.append(endings)
            if event["payload"]["derived"]["startup_time_ms"] is not None:
                found.measured.add(name_based(event["event_id"], MEASURED, 0))
        elif _is_end(event) and info["instance_id"] in open_starts:
            open_starts[info["instance_id"]].add(name_based(event["event_id"], kind, 0))
    return found


def _is_end(event: dict[str, Any]) -> bool:
    status = event["payload"].get("health_transition", {}).get("current_status", "").lower()
    return event["event_type"] == "service.lifecycle.stopped" or status in ("unhealthy", "critical")


def judge_initializations(report: Report, expected: Recount, found: set[str]) -> None:
    missing = expected.observed - found
    report.expect(not missing, f"{len(missing)} of {len(expected.observed)} starts were not observed")
    left = found - expected.observed
    unsettled = 0
    for endings in expected.settled:
        unsettled += len(endings & left) != 1
        left -= endings
    report.expect(not unsettled, f"{unsettled} of {len(expected.settled)} starts were not settled exactly once")
    report.expect(not left, f"{len(left)} service_initialization events without cause: {sorted(left)[:3]}")


async def _judge_revisions(report: Report, deployment: Deployment, reports: Iterable[dict[str, Any]]) -> None:
    revisions: dict[str, list[int]] = defaultdict(list)
    for event in reports:
        revisions[event["partition_key"]].append(event["payload"]["pattern_info"]["revision"])
    for uuid, counted in revisions.items():
        report.expect(counted == list(range(1, len(counted) + 1)), f"revisions of pattern {uuid}: {counted}")
    stored = await deployment.sql.fetch(
        "SELECT pattern_id::text, revision FROM intelligence_patterns WHERE pattern_type = 'service_initialization'"
    )
    last = {uuid: counted[-1] for uuid, counted in revisions.items()}
    report.expect(dict(map(tuple, stored)) == last, "the last revisions are not those in intelligence_patterns")


def _events(records: Iterable[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the records that are events with an id of their own, and the events; what else is there is a fault's."""
    for record in records:
        try:
            event = orjson.loads(record.value or b"")
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict) and "event_id" in event:
            yield record, event


def _first_copies(records: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the events of a topic, the first of each id, in their order.

    A fault may put copies on other partitions: those of the partition that a key belongs to count before them.
    """
    events = list(_events(records))
    partitions: dict[bytes | None, Counter[int]] = defaultdict(Counter)
    for record, _ in events:
        partitions[record.key][record.partition] += 1
    home = {key: counted.most_common(1)[0][0] for key, counted in partitions.items()}
    found: dict[str, dict[str, Any]] = {}
    for _, event in sorted(events, key=lambda entry: entry[0].partition != home[entry[0].key]):
        found.setdefault(event["event_id"], event)
    return list(found.values())


def _is_start(event: dict[str, Any]) -> bool:
    info: dict[str, Any] = event["payload"].get("pattern_info", {})
    return info.get("pattern_type") == "service_initialization"


def _pattern_uuid(environment: str, service: str) -> str:
    return name_based("pattern", "service_initialization", environment, service)


def _difference(found: set[str], expected: set[str]) -> str:
    return f"{len(expected - found)} missing, {len(found - expected)} without cause"


async def committed_unstored(deployment: Deployment) -> list[str]:
    """Return the events before the adapter's committed offsets that have no row: there must be none at any moment."""
    committed = await deployment.cluster.committed(deployment.adapter_group)
    rows = [Row(*found) for found in await deployment.sql.fetch(_ROWS)]
    known = {row.event_id for row in rows} | {f"{row.topic} {row.number}" for row in rows}
    lost = []
    for name in (HOOKS, EXTRA, PATTERNS, PERFORMANCE):
        for record in await deployment.cluster.read(deployment.topic(name)):
            if record.offset < committed.get(TopicPartition(record.topic, record.partition), 0):
                lost += [] if known & _names(record) else [f"{record.topic}-{record.partition}:{record.offset}"]
    return lost


def _names(record: Any) -> set[str]:
    """Return what a record can be known by: its event id, or the number of the workload."""
    event = orjson.loads(record.value)
    event = orjson.loads(event) if isinstance(event, str) else event
    content = event.get("payload") or event.get("data") or event
    return {event.get("event_id", ""), f"{record.topic} {content.get('w')}"}
