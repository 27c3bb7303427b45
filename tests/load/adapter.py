"""Rows per second from a backlog: the database adapter beside a hand-written consumer with the same statement."""

import asyncio
import sys
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping

import asyncpg
import orjson

from tests.load.broker import Broker
from tests.load.contest import Contestant, ContestFailed, run
from tests.load.deployment import fresh_database
from tests.load.report import Goal, Results, Sample, table, verdicts

BACKLOG = "from a backlog"
EVENTS = 200_000
JOB = (sys.executable, "-m", "tests.load.adapter_job")
BRIDGE = Contestant("bridge", JOB)
PLAIN = Contestant("hand-written consumer", (*JOB, "--plain"))
GOALS = (
    Goal(BACKLOG, BRIDGE.name, 1_000),
    Goal(BACKLOG, BRIDGE.name, 8_000),
    Goal(BACKLOG, BRIDGE.name, 0.7, PLAIN.name),
)


def records(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of events of about 250 bytes."""
    for number in range(count):
        event_id = str(uuid.UUID(int=number))
        event = {
            "event_id": event_id,
            "event_type": "bench.row",
            "timestamp": f"2026-01-15T10:30:{number % 60:02d}.{number % 1_000_000:06d}Z",
            "correlation_id": f"c-{number}",
            "payload": {"session_id": event_id, "number": number, "status": "success"},
        }
        yield f"key-{number % 1000}".encode(), orjson.dumps(event)


class AdapterBench:
    """The rounds of both; each run stores the same topic into a database of its own."""

    def __init__(self, broker: Broker, mark: str, environ: Mapping[str, str], events: int = EVENTS) -> None:
        self._broker = broker
        self._environ = environ
        self._mark = mark
        self._events = events
        self._topic = f"{mark}.rows"
        self.results: Results = defaultdict(lambda: defaultdict(list))

    async def prepare(self) -> None:
        """Fill the topic."""
        await self._broker.fill(self._topic, records(self._events))

    async def round(self, number: int) -> None:
        """Let both store everything once, one after the other."""
        for contestant in (BRIDGE, PLAIN):
            await self._run(contestant, f"{self._mark}-adapter-{number}-{contestant.name[:1]}")

    async def _run(self, contestant: Contestant, mark: str) -> None:
        async with fresh_database(self._environ, mark) as (environ, pool):
            variables = {
                **environ, "KAFKA_BOOTSTRAP_SERVERS": self._broker.servers, "KAFKA_TOPIC_PREFIX": f"{mark}.",
                "ADAPTER_EXTRA_TOPICS": self._topic,
            }  # fmt: skip
            report = await asyncio.to_thread(
                run, contestant, servers=self._broker.servers, topic=self._topic, events=self._events, app_id=mark,
                environ=variables,
            )  # fmt: skip
            found = await _count(pool)
        if found != self._events:
            raise ContestFailed(f"{contestant.name}: {found} rows of {self._events} events")
        sample = Sample(self._events, report.seconds, report.cpu_seconds)
        self.results[BACKLOG][contestant.name].append(sample)
        print(f"adapter: {contestant.name:24} {sample.rate:8,.0f} rows/s", file=sys.stderr, flush=True)

    def report(self) -> str:
        """Return the table and what became of the goals."""
        return f"{table(self.results, unit='rows', base=PLAIN.name)}\n\n{verdicts(self.results, GOALS)}"


async def _count(pool: "asyncpg.Pool[asyncpg.Record]") -> int:
    return int(await pool.fetchval("SELECT count(*) FROM event_logs"))
