"""How long the outbox takes to give Kafka what it kept: a worker whose broker is stopped, 10,000 hooks, and the broker
started again.

The topic is read from outside. The replay lasts from the first of its events there to the last; before it comes the
time from when the broker answers until the worker has noticed.
"""

import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.lab.cluster import Cluster
from tests.lab.services import OwnServer, ProxiedKafka, kafka_in
from tests.load.deployment import Deployment, deployed
from tests.load.hooks import CONNECTIONS, TOPIC, hooks
from tests.load.posts import Client, start_hook
from tests.load.report import markdown

EVENTS = 10_000
BUFFERED = b'"event_published":false'
REPLAY_SECONDS = 60.0
ROWS_SECONDS = 120.0
POLL_MS = 10
GOAL_SECONDS = 2.0


class Replay(NamedTuple):
    """Seconds until the first event was on the topic, and from there to the last; hooks per second accepted before;
    events that came again under the same id, because an acknowledgement was late.
    """

    noticed: float
    lasted: float
    accepted_rate: float
    repeated: int


class OutboxBench:
    """The rounds of the replay, each on a broker of its own."""

    def __init__(self, mark: str, environ: Mapping[str, str], *, events: int = EVENTS) -> None:
        self._mark = mark
        self._environ = environ
        self._events = events
        self.replays: list[Replay] = []

    async def round(self, number: int) -> None:
        """Fill the outbox while the broker is away, and watch it empty itself."""
        with tempfile.TemporaryDirectory(prefix="bench-kafka-") as folder, kafka_in(Path(folder)) as kafka:
            await kafka.start()
            environ = {**self._environ, **kafka.environ}
            async with deployed(environ, f"{self._mark}-outbox-{number}") as deployment:
                await kafka.stop()
                rate = await self._fill(deployment)
                replay = await self._watch(kafka, deployment, rate)
                await deployment.until_rows(TOPIC, self._events, seconds=ROWS_SECONDS)
        self.replays.append(replay)
        print(f"outbox: {self._events:,} events in {replay.lasted:.2f} s", file=sys.stderr, flush=True)

    async def _fill(self, deployment: Deployment) -> float:
        """Post so many hooks; return how many were accepted per second, once Kafka was known to be away."""
        requests = hooks(start_hook, self._mark)
        async with Client(deployment.port, CONNECTIONS, BUFFERED) as client:
            first = await client.flood(itertools.islice(requests, CONNECTIONS))  # they wait for Kafka
            began = time.monotonic()
            rest = await client.flood(itertools.islice(requests, self._events - len(first)))
        return len(rest) / (time.monotonic() - began)

    async def _watch(self, kafka: OwnServer[ProxiedKafka], deployment: Deployment, rate: float) -> Replay:
        await kafka.start()
        answered = time.monotonic()
        servers = kafka.environ["KAFKA_BOOTSTRAP_SERVERS"]
        partitions = await _partitions(servers, deployment.topic(TOPIC))
        consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", fetch_max_wait_ms=POLL_MS)
        async with consumer, asyncio.timeout(REPLAY_SECONDS):
            consumer.assign(partitions)
            first, records, seen = 0.0, 0, set[bytes]()
            while len(seen) < self._events:
                for found in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    first = first or time.monotonic()
                    records += len(found)
                    seen.update(dict(record.headers)["event_id"] for record in found)
        return Replay(first - answered, time.monotonic() - first, rate, records - len(seen))

    def report(self) -> str:
        """Return the table and what became of the goal."""
        lasted = [replay.lasted for replay in self.replays]
        rows = [
            [f"{self._events:,} hooks while Kafka is away", "median", "least–most"],
            _row("accepted into the outbox, hooks/s", [replay.accepted_rate for replay in self.replays], ",.0f"),
            _row("Kafka answers → first event on the topic, s", [replay.noticed for replay in self.replays], ".2f"),
            _row("first → last event on the topic, s", lasted, ".2f"),
            _row("replayed, events/s", [self._events / seconds for seconds in lasted], ",.0f"),
            _row("events sent twice under one id", [replay.repeated for replay in self.replays], ",.0f"),
        ]
        word = "met" if median(lasted) < GOAL_SECONDS else "NOT met"
        verdict = f"- replay of {self._events:,} events: {median(lasted):.2f} s, goal < {GOAL_SECONDS:g} s: {word}"
        return f"{markdown(rows)}\n\n{verdict}"


def _row(name: str, values: Sequence[float], form: str) -> list[str]:
    return [name, format(median(values), form), f"{format(min(values), form)}–{format(max(values), form)}"]


async def _partitions(servers: str, topic: str) -> list[TopicPartition]:
    cluster = Cluster(servers)
    await cluster.start()
    try:
        return await cluster.partitions(topic)
    finally:
        await cluster.stop()
