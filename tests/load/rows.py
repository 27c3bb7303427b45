"""How long it takes from a hook to its row, and to its pattern's row, in Postgres.

A hook's row is that of its event in `event_logs`; its pattern's is that of the first event of `intelligence.patterns`
that it caused, which is written in one transaction with the row of `intelligence_patterns`. Everything is on one clock:
this process stamps a hook when it is due to be sent, and asks Postgres all the time for the hooks that have no row yet.
What it says is too long by up to one question, some milliseconds, and never too short.

The lag is flat at a rate when the hooks of the second half of a step have their patterns soon after. The highest such
rate is found by doubling and then bisecting; the latencies that count are those at half of it.
"""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.lab.waiting import eventually
from tests.load.deployment import Deployment, deployed
from tests.load.hooks import CONNECTIONS, SERVICES, TOPIC
from tests.load.posts import Client, start_hook
from tests.load.report import markdown, percentile

PATTERNS = "intelligence.patterns"
FIRST_RATE = 25
HIGHEST_RATE = 12_800
BISECTIONS = 2
STEP_SECONDS = 6.0
MEASURED_SECONDS = 20.0
#: In a step that is flat, 95 % of the later hooks have their pattern's row within this time.
FLAT_SECONDS = 0.5
DRAIN_SECONDS = 60.0
POLL_SECONDS = 0.002
#: The hooks asked for in one question, those that have waited longest.
ASKED = 1000
ROW_GOAL_MS = 100

_SEEN = """
    SELECT correlation_id, bool_or(topic = $2) AS hook, bool_or(topic = $3) AS pattern
    FROM event_logs WHERE correlation_id = ANY($1) GROUP BY correlation_id
"""


class Step(NamedTuple):
    """The hooks of one rate, in the order they were sent: seconds until the row of each, and of its pattern."""

    rate: float
    rows: list[float]
    patterns: list[float]

    @property
    def is_flat(self) -> bool:
        later = self.patterns[len(self.patterns) // 2 :]
        return percentile(later, 0.95) <= FLAT_SECONDS


class Watch:
    """Sees rows as they are committed."""

    def __init__(self, deployment: Deployment, ids: Sequence[str]) -> None:
        self._deployment = deployment
        self._ids = ids
        self._due: dict[str, float] = {}
        self._rows: dict[str, float] = {}
        self._patterns: dict[str, float] = {}

    def sent(self, number: int, due: float) -> None:
        self._due[self._ids[number]] = due

    @property
    def all_seen(self) -> bool:
        return len(self._rows) == len(self._patterns) == len(self._ids)

    async def look(self) -> None:
        """Ask for what is not there yet, until cancelled."""
        while True:
            await self._ask()
            await asyncio.sleep(POLL_SECONDS)

    async def _ask(self) -> None:
        wanted = [one for one in self._due if one not in self._patterns or one not in self._rows][:ASKED]
        if not wanted:
            return
        topics = self._deployment.topic(TOPIC), self._deployment.topic(PATTERNS)
        found = await self._deployment.postgres.fetch(_SEEN, wanted, *topics)
        now = time.monotonic()
        for correlation_id, hook, pattern in found:
            if hook:
                self._rows.setdefault(correlation_id, now)
            if pattern:
                self._patterns.setdefault(correlation_id, now)

    def step(self, rate: float) -> Step:
        rows = [self._rows[one] - due for one, due in self._due.items()]
        return Step(rate, rows, [self._patterns[one] - due for one, due in self._due.items()])


class RowBench:
    """One worker under growing load."""

    def __init__(
        self,
        mark: str,
        environ: Mapping[str, str],
        *,
        step_seconds: float = STEP_SECONDS,
        measured_seconds: float = MEASURED_SECONDS,
    ) -> None:
        self._mark = mark
        self._environ = environ
        self._step_seconds = step_seconds
        self._measured_seconds = measured_seconds
        self._sent = 0
        self.highest = 0.0
        self.measured: Step | None = None

    async def run(self, *, highest_rate: int = HIGHEST_RATE) -> None:
        """Find the highest rate, up to `highest_rate`, at which the lag stays flat, and measure at half of it."""
        async with deployed(self._environ, f"{self._mark}-rows") as deployment:
            await self._at(deployment, FIRST_RATE, self._step_seconds)  # the first hooks of a worker are slow
            self.highest = await self._search(deployment, highest_rate)
            self.measured = await self._at(deployment, self.highest / 2, self._measured_seconds)
            await deployment.until_rows(TOPIC, self._sent, seconds=DRAIN_SECONDS)

    async def _search(self, deployment: Deployment, highest_rate: int) -> float:
        flat, rate = 0.0, float(FIRST_RATE)
        while rate <= highest_rate and (await self._at(deployment, rate, self._step_seconds)).is_flat:
            flat, rate = rate, rate * 2
        if not flat:
            raise AssertionError(f"the lag grows at {FIRST_RATE} hooks/s already")
        step = flat / 2
        for _ in range(BISECTIONS if rate <= highest_rate else 0):
            if (await self._at(deployment, flat + step, self._step_seconds)).is_flat:
                flat += step
            step /= 2
        return flat

    async def _at(self, deployment: Deployment, rate: float, seconds: float) -> Step:
        count = round(rate * seconds)
        ids = [f"{self._mark}-row-{number}" for number in range(self._sent, self._sent + count)]
        self._sent += count
        watch = Watch(deployment, ids)
        looking = asyncio.create_task(watch.look())
        try:
            async with Client(deployment.port, CONNECTIONS) as client:
                requests = [start_hook(f"service-{number % SERVICES}", one) for number, one in enumerate(ids)]
                await client.pace(requests, rate, watch.sent)
            await eventually(lambda: watch.all_seen or looking.done(), "every row is there", seconds=DRAIN_SECONDS)
        finally:
            looking.cancel()
            await asyncio.wait({looking})
        if not looking.cancelled():
            looking.result()
        step = watch.step(rate)
        late = percentile(step.patterns, 0.95)
        print(f"rows: {rate:7,.0f} hooks/s, p95 of the pattern's row {late * 1000:6.0f} ms", file=sys.stderr)
        return step

    def report(self) -> str:
        """Return the table and what became of the goal."""
        assert self.measured is not None
        rate = self.measured.rate
        rows = [[f"{SERVICES} services, {rate:,.0f} hooks/s", "hooks", "p50 ms", "p95 ms", "p99 ms"]]
        for name, seconds in (
            ("hook → its row", self.measured.rows),
            ("hook → its pattern's row", self.measured.patterns),
        ):
            shares = [f"{percentile(seconds, share) * 1000:.0f}" for share in (0.5, 0.95, 0.99)]
            rows.append([name, f"{len(seconds):,}", *shares])
        p99 = percentile(self.measured.rows, 0.99) * 1000
        word = "met" if p99 < ROW_GOAL_MS else "NOT met"
        return "\n\n".join(
            (
                f"The lag stays flat up to {self.highest:,.0f} hooks/s, each the start of a service; at half of that:",
                markdown(rows),
                f"- hook → its row, p99: {p99:.0f} ms, goal < {ROW_GOAL_MS} ms: {word}",
            )
        )
