"""The contestants for rows, behind one interface: a backlog to be stored, or a topic to be followed."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from tests.lab.waiting import eventually
from tests.load import workload
from tests.load.adapter_events import KEYS, Record, event, event_id, records, row
from tests.load.broker import Broker
from tests.load.connect import START_SECONDS as CONNECT_SECONDS
from tests.load.connect import connected
from tests.load.contest import Contestant, ContestFailed, run, started
from tests.load.deployment import Pool
from tests.load.job import Job
from tests.load.report import Sample

JOB = (sys.executable, "-m", "tests.load.adapter_job")
#: What Connect stores before its clock runs: a Java program is slow at first.
WARM_UP = 20_000
STORE_SECONDS = 120.0
ENDLESS = sys.maxsize

Check: TypeAlias = Callable[[], Awaitable[None]]
"""Raises ContestFailed when the contestant has ended."""


@dataclass(frozen=True)
class Place:
    """Where one contestant works once: `environ` names a database of its own that has the tables, `postgres` looks into
    it, and `mark` is in the names of all that it makes on the broker.
    """

    broker: Broker
    mark: str
    environ: Mapping[str, str]
    postgres: Pool

    async def until_stored(self, numbers: range, check: Check, *, seconds: float = STORE_SECONDS) -> None:
        """Wait until the last event of every key has its row: so have all others, for a partition is read in order."""
        ids = [event_id(number) for number in numbers[-KEYS:]]

        async def stored() -> bool:
            await check()
            found = await self.postgres.fetchval("SELECT count(*) FROM event_logs WHERE event_id = ANY($1)", ids)
            return bool(found == len(ids))

        await eventually(stored, f"the rows up to event {numbers.stop - 1}", seconds=seconds)

    async def expect(self, rows: int, name: str) -> None:
        """Raise ContestFailed unless there are exactly so many rows."""
        found = await self.postgres.fetchval("SELECT count(*) FROM event_logs")
        if found != rows:
            raise ContestFailed(f"{name}: {found} rows of {rows} events")


class Way(Protocol):
    """One way to make rows; `share` of a backlog is what it gets, less than all when it is slow."""

    name: str
    share: float

    def record(self, number: int) -> Record:
        """Return an event in the form that it reads."""

    async def backlog(self, place: Place, events: int) -> Sample:
        """Store so many events that are there already."""

    def follow(self, place: Place, topic: str) -> AbstractAsyncContextManager[Check]:
        """Store what comes to a topic until the end of the block."""


class Program:
    """A program of ours, which has a stopwatch of its own."""

    def __init__(self, name: str, *options: str, share: float = 1.0) -> None:
        self.name = name
        self.share = share
        self._contestant = Contestant(name, (*JOB, *options))

    def record(self, number: int) -> Record:
        return event(number)

    async def backlog(self, place: Place, events: int) -> Sample:
        topic = f"{place.mark}.backlog"
        await place.broker.fill(topic, records(event, 0, events))
        await place.broker.create(f"{topic}.dlq")  # else the adapter does, and is rebalanced while the clock runs
        servers, environ = place.broker.servers, _variables(place, topic)
        report = await asyncio.to_thread(
            run, self._contestant, servers=servers, topic=topic, events=events, app_id=place.mark, environ=environ
        )
        await place.expect(events, self.name)
        return Sample(events, report.seconds, report.cpu_seconds)

    @asynccontextmanager
    async def follow(self, place: Place, topic: str) -> AsyncIterator[Check]:
        servers = place.broker.servers
        job = Job(servers=servers, topic=topic, partitions=workload.PARTITIONS, events=ENDLESS, app_id=place.mark)
        with started(self._contestant, job, _variables(place, topic)) as running:

            async def check() -> None:
                running.check()

            yield check


class ConnectSink:
    """Kafka Connect, watched from outside: its backlog is made while it is paused, and is stored when the last event of
    every key has its row. Its offsets are committed later, off the clock.
    """

    def __init__(self, name: str, *, share: float = 1.0, warm_up: int = WARM_UP) -> None:
        self.name = name
        self.share = share
        self._warm_up = warm_up

    def record(self, number: int) -> Record:
        return row(number)

    async def backlog(self, place: Place, events: int) -> Sample:
        topic, warm = f"{place.mark}.backlog", self._warm_up
        total = warm + events
        await place.broker.fill(topic, records(row, 0, warm))
        async with connected(place.broker.servers, topic, place.mark, place.environ) as connect:
            await place.until_stored(range(warm), connect.check, seconds=CONNECT_SECONDS)
            await connect.pause()
            await place.broker.send(topic, records(row, warm, total))
            cpu_seconds, began = connect.cpu_seconds, time.perf_counter()
            await connect.resume()
            await place.until_stored(range(warm, total), connect.check)
            seconds, cpu_seconds = time.perf_counter() - began, connect.cpu_seconds - cpu_seconds
        await place.expect(total, self.name)
        return Sample(events, seconds, cpu_seconds)

    @asynccontextmanager
    async def follow(self, place: Place, topic: str) -> AsyncIterator[Check]:
        async with connected(place.broker.servers, topic, place.mark, place.environ) as connect:
            yield connect.check


def _variables(place: Place, topic: str) -> dict[str, str]:
    return {
        **place.environ,
        "KAFKA_BOOTSTRAP_SERVERS": place.broker.servers,
        "KAFKA_TOPIC_PREFIX": f"{place.mark}.",
        "ADAPTER_EXTRA_TOPICS": topic,
    }
