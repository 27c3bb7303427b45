"""The keyed step, and the recovery of a wiped table: the bridge beside stock Faust, Quix Streams and plain aiokafka."""

import asyncio
import sys
from collections import defaultdict

from tests.load import workload
from tests.load.broker import Broker
from tests.load.contest import BRIDGE, CONTESTANTS, QUIX, STOCK, Contestant, ContestFailed, run
from tests.load.job import Report
from tests.load.report import Goal, Results, Sample, table, verdicts

FEW_KEYS = "1,000 keys"
NEW_KEYS = "every key new"
RECOVERY = "recovery of a wiped table"
SLOW_SHARE = 15
GOALS = (
    Goal(FEW_KEYS, BRIDGE.name, 30, STOCK.name),
    Goal(NEW_KEYS, BRIDGE.name, 18, STOCK.name),
    Goal(FEW_KEYS, BRIDGE.name, 1.5, QUIX.name),
    Goal(NEW_KEYS, BRIDGE.name, 1.5, QUIX.name),
    Goal(RECOVERY, BRIDGE.name, 200_000),
)


class StepBench:
    """The topics and rounds of the keyed step; a line per run goes to stderr."""

    def __init__(self, broker: Broker, mark: str, events: int) -> None:
        self._broker = broker
        self._mark = mark
        self._events = events
        self._runs = 0
        self.steps: Results = defaultdict(lambda: defaultdict(list))
        self.recovery: Results = defaultdict(lambda: defaultdict(list))

    async def prepare(self) -> None:
        """Fill a topic per discipline and number of events."""
        for slow in (False, True):
            events = self._events_for(slow)
            await self._broker.fill(self._topic(FEW_KEYS, slow), workload.records(events, 1000))
            await self._broker.fill(self._topic(NEW_KEYS, slow), workload.records(events, events))

    async def round(self) -> None:
        """Let everybody do everything once, one after the other."""
        for discipline in (FEW_KEYS, NEW_KEYS):
            for contestant in CONTESTANTS:
                changelog = await self._step(contestant, discipline)
                if contestant is BRIDGE and discipline is NEW_KEYS:
                    await self._recover(changelog)

    async def _step(self, contestant: Contestant, discipline: str) -> str:
        """Run the keyed step; return the name of the changelog it wrote, checked against the events."""
        app_id = self._new_app_id()
        topic = self._topic(discipline, contestant.slow)
        events = self._events_for(contestant.slow)
        await self._run(self.steps, discipline, contestant, topic, events, app_id)
        if contestant.changelog is None:
            return ""
        changelog = contestant.changelog(app_id, topic)
        found = await self._broker.recount(changelog, contestant.events_of)
        if found != events:
            raise ContestFailed(f"{contestant.name}: its changelog adds up to {found} of {events} events")
        return changelog

    async def _recover(self, changelog: str) -> None:
        """Rebuild the bridge's table and stock Faust's from the very same records: the bridge's, one per key and the
        watermarks. Each gets a copy, under a new app id: the group of a process that just ended takes nobody in.
        """
        for contestant in (BRIDGE, STOCK):
            assert contestant.changelog is not None
            app_id = self._new_app_id()
            topic = self._topic(NEW_KEYS, slow=False)
            records = await self._broker.copy(changelog, contestant.changelog(app_id, topic))
            report = await self._run(self.recovery, RECOVERY, contestant, topic, records, app_id, recover=True)
            if report.keys < self._events:
                raise ContestFailed(f"{contestant.name}: {report.keys} of {self._events} keys were recovered")

    async def _run(
        self,
        results: Results,
        discipline: str,
        contestant: Contestant,
        topic: str,
        items: int,
        app_id: str,
        *,
        recover: bool = False,
    ) -> Report:
        report = await asyncio.to_thread(
            run, contestant, servers=self._broker.servers, topic=topic, events=items, app_id=app_id, recover=recover
        )
        sample = Sample(items, report.seconds, report.cpu_seconds)
        results[discipline][contestant.name].append(sample)
        line = f"step: {discipline:26} {contestant.name:26} {sample.rate:10,.0f}/s in {sample.seconds:5.2f} s"
        print(line, file=sys.stderr, flush=True)
        return report

    def _new_app_id(self) -> str:
        self._runs += 1
        return f"{self._mark}-{self._runs}"

    def _topic(self, discipline: str, slow: bool) -> str:
        return f"{self._mark}.{'few' if discipline is FEW_KEYS else 'new'}.{self._events_for(slow)}"

    def _events_for(self, slow: bool) -> int:
        return self._events // SLOW_SHARE if slow else self._events

    def report(self) -> str:
        """Return the tables and what became of the goals."""
        return "\n\n".join(
            (
                table(self.steps, unit="events", base=STOCK.name),
                table(self.recovery, unit="records", base=STOCK.name),
                verdicts({**self.steps, **self.recovery}, GOALS),
            )
        )
