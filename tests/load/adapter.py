"""Rows: the database adapter beside other ways to bring a topic's events to Postgres.

Every run has a database and topics of its own, and must end with each event in one row.
"""

import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from statistics import median

from bridge_app.effects.postgres import Postgres
from bridge_app.settings import Settings
from tests.load.adapter_lag import RATE, Lag, Schedule, lag_table, measure
from tests.load.adapter_ways import ConnectSink, Place, Program, Way
from tests.load.broker import Broker
from tests.load.connect_jars import CONNECT_VERSION, SINK_VERSION
from tests.load.deployment import fresh_database
from tests.load.report import Goal, Results, Sample, table, verdicts

BACKLOG = "from a backlog"
EVENTS = 200_000
BRIDGE = Program("bridge")
PLAIN = Program("hand-written consumer", "--statement")
ONE_BY_ONE = Program("row by row", "--rows", share=0.05)
COPY = Program("COPY", "--copy")
CONNECT = ConnectSink("Kafka Connect JDBC sink", share=0.5)
WAYS: tuple[Way, ...] = (BRIDGE, PLAIN, ONE_BY_ONE, COPY, CONNECT)
GOALS = (
    Goal(BACKLOG, BRIDGE.name, 1_000),
    Goal(BACKLOG, BRIDGE.name, 8_000),
    Goal(BACKLOG, BRIDGE.name, 0.7, PLAIN.name),
)
LAG_GOALS_MS = {"p95": 50, "p99": 150}
NOTES = (
    "The hand-written consumer runs the adapter's statement and maps nothing. Row by row is one statement and one "
    "transaction per event. COPY ends at an event that comes again: it is the ceiling. "
    f"Kafka Connect {CONNECT_VERSION} with Debezium's JDBC sink {SINK_VERSION} upserts by event_id, batches of 1,000 "
    "with UNNEST, one task; it reads ready rows (flat JSON, the payload as text, no schema in the records) and is warm "
    "when its clock starts, which ends at the last row, not at its commit of offsets. "
    "Lag: `stored_at` minus the time of the Kafka record."
)


class AdapterBench:
    """The rounds of all; a line per run goes to stderr."""

    def __init__(
        self,
        broker: Broker,
        mark: str,
        environ: Mapping[str, str],
        ways: Sequence[Way] = WAYS,
        events: int = EVENTS,
        schedule: Schedule = Schedule(),  # noqa: B008 (immutable)
    ) -> None:
        self._broker = broker
        self._environ = environ
        self._mark = mark
        self._ways = ways
        self._events = events
        self._schedule = schedule
        self.results: Results = defaultdict(lambda: defaultdict(list))
        self.lags: dict[str, list[Lag]] = defaultdict(list)

    async def round(self, number: int) -> None:
        """Let all store a backlog once, and then follow a topic once, one after the other."""
        for way in self._ways:
            async with self.place(way, f"backlog-{number}") as place:
                sample = await way.backlog(place, round(self._events * way.share))
            self._add(way, sample)
        for way in self._ways:
            async with self.place(way, f"lag-{number}") as place:
                lag = await measure(way, place, self._schedule)
            self.lags[way.name].append(lag)
            _say(f"{way.name:24} p50 {lag.p50:6.1f} ms, p95 {lag.p95:6.1f} ms at {RATE}/s")

    def _add(self, way: Way, sample: Sample) -> None:
        self.results[BACKLOG][way.name].append(sample)
        _say(f"{way.name:24} {sample.rate:8,.0f} rows/s")

    @asynccontextmanager
    async def place(self, way: Way, run: str) -> AsyncIterator[Place]:
        """Make a place for one run; what it has in Postgres is dropped at the end."""
        mark = f"{self._mark}-adapter-{self._ways.index(way)}-{run}"
        async with fresh_database(self._environ, mark) as (environ, pool):
            await Postgres(Settings.from_environ(environ)).migrate()
            yield Place(self._broker, mark, environ, pool)

    def report(self) -> str:
        """Return the tables, how they came about, and what became of the goals."""
        tables = table(self.results, unit="rows", base=PLAIN.name), lag_table(self.lags, PLAIN.name)
        return "\n\n".join((*tables, NOTES, f"{verdicts(self.results, GOALS)}\n{self._lag_verdicts()}"))

    def _lag_verdicts(self) -> str:
        lines = []
        for label, goal in LAG_GOALS_MS.items():
            found = median(getattr(lag, label) for lag in self.lags[BRIDGE.name])
            word = "met" if found < goal else "NOT met"
            lines.append(f"- {BRIDGE.name} at {RATE}/s: {label} {found:.1f} ms, goal < {goal} ms: {word}")
        return "\n".join(lines)


def _say(text: str) -> None:
    print(f"adapter: {text}", file=sys.stderr, flush=True)
