"""A trial: workload W on a deployment, a fault meanwhile, and the judgement of oracle O."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any

from tests.lab.bridge_oracle import Report, judge
from tests.lab.deployment import EXTRA, HOOKS, OBSERVATIONS, PATTERNS, PERFORMANCE, Deployment
from tests.lab.laboratory import new_seed
from tests.lab.waiting import eventually
from tests.lab.workload import Fate, Journal, Workload

#: In which the lag becomes 0 when the workload is over, unless a fault has a limit of its own.
SETTLE_SECONDS = 60.0

_SETTLED = """
    WITH event AS (
        SELECT payload->'pattern_info'->>'phase' AS phase,
            topic = $1 AND event_type = 'service.lifecycle.started' AND payload ? 'service_info' AS is_start
        FROM event_logs)
    SELECT count(*) FILTER (WHERE is_start) = count(*) FILTER (WHERE phase = 'observed')
       AND count(*) FILTER (WHERE is_start) = count(*) FILTER (WHERE phase IN ('confirmed', 'failed'))
    FROM event
"""


class Trial:
    """One fault on one deployment. `seed` is printed: pytest shows it when the trial fails. `rng` is for the fault."""

    def __init__(self, deployment: Deployment, fault: str, seed: int | None = None, **rates: float) -> None:
        self.seed = new_seed() if seed is None else seed
        self.rng = random.Random(self.seed)
        self.report = Report(fault, self.seed)
        self.deployment = deployment
        self.workload = Workload(deployment.targets(), self.seed, **rates)
        self._recovering: asyncio.Task[None] | None = None
        self._took = 0.0
        print(f"LAB_SEED={self.seed} prefix={deployment.prefix}")

    @asynccontextmanager
    async def under_load(self, seconds: float) -> AsyncIterator[Journal]:
        """Run W for so long at least, and for as long as the body, in which the fault happens."""
        async with self.workload.running(seconds) as journal:
            yield journal

    def fault_over(self) -> None:
        """Measure from now on how long it takes until all that is on the topics now is stored and committed."""
        self._recovering = asyncio.create_task(self._recover(time.monotonic()))

    async def _recover(self, began: float) -> None:
        try:
            await self._until_stored(SETTLE_SECONDS)
        except AssertionError as error:
            self.report.flaws.append(f"not recovered: {error}")
        took = time.monotonic() - began
        self.report.recovery_seconds = max(took, self.report.recovery_seconds or 0.0)
        self._took = took

    async def recovered(self) -> float:
        """Return how many seconds the last recovery took; the report has the longest."""
        assert self._recovering is not None
        await self._recovering
        return self._took

    async def conclude(self, *, dead_letters: int = 0, seconds: float = SETTLE_SECONDS) -> Report:
        """Wait until the lag is 0, in so many seconds at most, and judge. The report may have flaws."""
        began = time.monotonic()
        try:
            await self.settled(seconds)
        except AssertionError as error:
            self.report.flaws.append(f"the lag does not become 0: {error}")
        print(f"settled in {time.monotonic() - began:.1f} s; hooks not accepted: {dict(self.refused_hooks())}")
        if self._recovering is not None:
            await self._recovering
        await judge(self.deployment, self.workload.journal, self.report, dead_letters=dead_letters)
        REPORTS.append(self.report)
        return self.report

    def refused_hooks(self) -> dict[str, int]:
        """Return what was said of the hooks that were not accepted, and how often; those on their way do not count."""
        return Counter(sent.detail for sent in self.workload.journal.hooks if sent.fate is not Fate.OK and sent.detail)

    async def settled(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until the lag is 0, and what comes with time has come."""
        await self._until_stored(seconds)
        await self._until_settled(seconds)

    async def _until_stored(self, seconds: float) -> None:
        deployment = self.deployment
        hooks = await deployment.ends(HOOKS)
        adapter = {**hooks, **await deployment.ends(EXTRA, PATTERNS, PERFORMANCE)}
        await deployment.until_committed(deployment.agents_group, hooks, seconds=seconds)
        await deployment.until_committed(deployment.adapter_group, adapter, seconds=seconds)

    async def _until_settled(self, seconds: float) -> None:
        """Wait for what comes with time: the confirmation of every start, through all stages."""
        deployment = self.deployment
        observations = await deployment.ends(OBSERVATIONS)
        await deployment.until_committed(deployment.agents_group, observations, seconds=seconds)

        async def settled() -> bool:
            return bool(await deployment.sql.fetchval(_SETTLED, deployment.topic(HOOKS)))

        await eventually(settled, "every start is settled and stored", seconds=seconds)
        await self._until_stored(seconds)


#: Of all trials of this run, for the table at its end.
REPORTS: list[Report] = []


def table(reports: list[Report]) -> list[str]:
    """Return the lines of the table of resilience §10."""
    columns = [one.name for one in fields(Report) if one.name != "flaws"]
    cells = [columns, *([_shown(getattr(report, column)) for column in columns] for report in reports)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
