"""Hooks accepted per second, with `acks=all`, and how long one takes: a real worker beside bare handlers.

Every contestant is a server process of its own, asked by the same client over the same number of connections. The
worker does all its work meanwhile: it accepts, derives, keeps state and writes rows. A run in which it refused a hook,
or after which Kafka or `event_logs` does not hold every accepted one exactly once, is an error and no number.
"""

import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from statistics import median
from typing import NamedTuple

from tests.lab.cluster import Cluster
from tests.load.broker import Broker
from tests.load.deployment import Cpu, Deployment, Server, deployed, served
from tests.load.posts import Call, Client, health_hook, start_hook
from tests.load.report import markdown, percentile

CONNECTIONS = 64
SERVICES = 50
WARM_UP_SECONDS = 1.0
SECONDS = 5.0
PACE = 100
PACED_SECONDS = 10.0
DRAIN_SECONDS = 120.0
TOPIC = "hooks.service_lifecycle"
BARE = (sys.executable, "-m", "tests.load.bare_handler")

BARE_NAME, PRODUCING_NAME = "bare aiohttp handler", "the same, and an acknowledged send"
STARTS_NAME, HEALTH_NAME = "bridge, starts", "bridge, changes of health"
MAKERS = {STARTS_NAME: start_hook, HEALTH_NAME: health_hook}
RATE_GOAL = 2000
P50_GOAL_MS, P95_GOAL_MS = 10, 50


class Flood(NamedTuple):
    """One run: hooks per second, seconds of each, CPU seconds of the server per hook, and the client's share of one
    processor.
    """

    rate: float
    calls: list[float]
    cpu_seconds: float
    client_share: float


def hooks(make: Callable[[str, str], bytes], mark: str) -> Iterator[bytes]:
    """Yield hooks of services in turn, each with a correlation of its own."""
    for number in itertools.count():
        yield make(f"service-{number % SERVICES}", f"{mark}-{number}")


async def flood(server: Server, requests: Iterator[bytes], seconds: float) -> tuple[Flood, int]:
    """Ask a server as fast as it answers; return what was measured, and how many hooks it accepted altogether."""
    async with Client(server.port, CONNECTIONS) as client:
        warm = await client.flood(requests, min(WARM_UP_SECONDS, seconds))
        cpu = Cpu(server)
        calls = await client.flood(requests, seconds)
        own, servers, elapsed = cpu.taken()
    run = Flood(len(calls) / elapsed, _seconds(calls), servers / len(calls), own / elapsed)
    return run, len(warm) + len(calls)


async def paced(server: Server, requests: Iterator[bytes], seconds: float) -> list[float]:
    """Ask a server 100 times per second; return the seconds of each call."""
    async with Client(server.port, CONNECTIONS) as client:
        return _seconds(await client.pace(list(itertools.islice(requests, round(PACE * seconds))), PACE))


async def until_all_is_there(deployment: Deployment, cluster: Cluster, accepted: int) -> None:
    """Return when Kafka and Postgres hold exactly the accepted hooks."""
    topic = deployment.topic(TOPIC)
    sent = sum((await cluster.ends(topic)).values())
    assert sent == accepted, f"{accepted} hooks were accepted, {topic} holds {sent}"
    await deployment.until_rows(TOPIC, accepted, seconds=DRAIN_SECONDS)


class HookBench:
    """The rounds of the contestants; a line per run goes to stderr."""

    def __init__(
        self,
        broker: Broker,
        mark: str,
        environ: Mapping[str, str],
        *,
        seconds: float = SECONDS,
        paced: float = PACED_SECONDS,
    ) -> None:
        self._broker = broker
        self._environ = environ
        self._mark = mark
        self._seconds = seconds
        self._paced_seconds = paced
        self.floods: dict[str, list[Flood]] = defaultdict(list)
        self.paced: dict[str, list[float]] = defaultdict(list)

    async def round(self, number: int) -> None:
        """Let every contestant answer once, one after the other."""
        mark = f"{self._mark}-hooks-{number}"
        await self._peer(BARE_NAME, served([*BARE], self._environ))
        topic = f"{mark}.bare"
        await self._broker.create(topic)
        environ = {**self._environ, "KAFKA_BOOTSTRAP_SERVERS": self._broker.servers, "BENCH_TOPIC": topic}
        await self._peer(PRODUCING_NAME, served([*BARE, "--kafka"], environ))
        await self._bridge(mark)

    async def _peer(self, name: str, server: AbstractAsyncContextManager[Server]) -> None:
        async with server as found:
            requests = hooks(start_hook, "peer")
            self.floods[name].append((await flood(found, requests, self._seconds))[0])
            self.paced[name] += await paced(found, requests, self._paced_seconds)
        self._say(name)

    async def _bridge(self, mark: str) -> None:
        cluster = Cluster(self._broker.servers)
        await cluster.start()
        try:
            async with deployed(self._environ, mark) as deployment:
                accepted = 0
                for name, make in MAKERS.items():
                    requests = hooks(make, f"{mark}-{name}")
                    run, flooded = await flood(deployment, requests, self._seconds)
                    accepted += flooded
                    await until_all_is_there(deployment, cluster, accepted)
                    calls = await paced(deployment, requests, self._paced_seconds)
                    accepted += len(calls)
                    await until_all_is_there(deployment, cluster, accepted)
                    self.floods[name].append(run)
                    self.paced[name] += calls
                    self._say(name)
        finally:
            await cluster.stop()

    def _say(self, name: str) -> None:
        run = self.floods[name][-1]
        print(f"hooks: {name:36} {run.rate:8,.0f}/s, client {run.client_share:4.0%} of a core", file=sys.stderr)

    def report(self) -> str:
        """Return the tables and what became of the goals."""
        return "\n\n".join((self._flood_table(), self._paced_table(), self._verdicts()))

    def _flood_table(self) -> str:
        rows = [
            [f"hooks/s, {CONNECTIONS} connections", "accepted", f"× {BARE_NAME}", "p50 ms", "p95 ms", "p99 ms",
             "server CPU µs each", "client, of a core"]
        ]  # fmt: skip
        base = median(run.rate for run in self.floods[BARE_NAME])
        for name, runs in self.floods.items():
            rates = [run.rate for run in runs]
            calls = [seconds for run in runs for seconds in run.calls]
            rows.append(
                [name, f"{median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})", f"{median(rates) / base:.2f}",
                 *_milliseconds(calls), f"{median(run.cpu_seconds for run in runs) * 1e6:.0f}",
                 f"{median(run.client_share for run in runs):.0%}"]
            )  # fmt: skip
        return markdown(rows)

    def _paced_table(self) -> str:
        rows = [[f"at {PACE} hooks/s", "hooks", "p50 ms", "p95 ms", "p99 ms"]]
        rows += [[name, f"{len(calls):,}", *_milliseconds(calls)] for name, calls in self.paced.items()]
        return markdown(rows)

    def _verdicts(self) -> str:
        lines = []
        for name in MAKERS:
            rate = median(run.rate for run in self.floods[name])
            lines.append(f"- {name}: {rate:,.0f}/s, goal ≥ {RATE_GOAL:,}/s: {_word(rate >= RATE_GOAL)}")
            for label, share, goal in (("p50", 0.5, P50_GOAL_MS), ("p95", 0.95, P95_GOAL_MS)):
                found = percentile(self.paced[name], share) * 1000
                lines.append(f"- {name} at {PACE}/s: {label} {found:.1f} ms, goal ≤ {goal} ms: {_word(found <= goal)}")
        return "\n".join(lines)


def _seconds(calls: list[Call]) -> list[float]:
    return [call.seconds for call in calls]


def _milliseconds(calls: list[float]) -> list[str]:
    return [f"{percentile(calls, share) * 1000:.1f}" for share in (0.5, 0.95, 0.99)]


def _word(met: bool) -> str:
    return "met" if met else "NOT met"
