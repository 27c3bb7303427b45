"""What a worker says about itself: background probes, and the judgement over them (conventions §6)."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog
from mode import Service

from bridge_app import __version__
from bridge_app.clock import Clock
from bridge_app.domain.breaker import CircuitBreaker
from bridge_app.errors import DependencyRefusal
from bridge_app.timestamps import format_us

log = structlog.get_logger(__name__)

SERVICE_NAME = "omninode-bridge"
PROBE_SECONDS = 2.0
PROBE_SECONDS_DOWN = 0.5
PROBE_LIMIT_SECONDS = 1.0
#: With Kafka away or refusing for so long the start is over: the worker is degraded and takes what it can.
KAFKA_PATIENCE_SECONDS = 10.0

HEALTHY, UNHEALTHY, DISABLED = "healthy", "unhealthy", "disabled"

Probe = Callable[[], Awaitable[None]]


class Check(NamedTuple):
    """The outcome of the last probe of a dependency."""

    status: str
    response_time_ms: float | None = None
    reason: str | None = None


class OutboxState(NamedTuple):
    """What waits for Kafka, and why the outbox takes no more: it is full, or cannot be written; else None."""

    pending: int = 0
    full: str | None = None
    unwritable: str | None = None


class Facts(NamedTuple):
    """What the rest of the worker knows; each is asked whenever it is needed.

    `recovered`: the agents have their partitions and state. `caught_up`: the replicated views have read what was there.
    `stopping`: the worker is shutting down. `stopped_agents`: one line for each agent, or topic of one, that stopped;
    `halted`: one for each agent that stopped altogether.
    """

    recovered: Callable[[], bool]
    caught_up: Callable[[], bool]
    stopping: Callable[[], bool]
    stopped_agents: Callable[[], Sequence[str]]
    outbox: Callable[[], OutboxState] = OutboxState
    halted: Callable[[], Sequence[str]] = tuple


def overall_status(checks: Mapping[str, Check], *, starting: bool, recovered: bool, stopped: Sequence[str]) -> str:
    """Return `starting`, `healthy`, `degraded` or `unhealthy`."""
    if stopped:
        return "unhealthy"
    if starting:
        return "starting"
    well = recovered and all(check.status != UNHEALTHY for check in checks.values())
    return "healthy" if well else "degraded"


def unready_reasons(*, recovered: bool, caught_up: bool, stopping: bool, stopped: Sequence[str]) -> list[str]:
    """Return why no request should be sent here; empty when they may be."""
    reasons = list(stopped)
    if stopping:
        reasons.append("shutting down")
    if not recovered:
        reasons.append("state is being recovered")
    if not caught_up:
        reasons.append("a replicated view has not caught up")
    return reasons


class _Dependency(msgspec.Struct):
    probe: Probe
    check: Check
    down_since: float | None


class Health(Service):
    """Probes every dependency on its own, every 2 s and every 0.5 s while it is down; a report waits for nothing.

    `probes` has one entry per dependency; a probe returns or raises, and is cut at 1 s. Those of `disabled` are listed
    and count as well. A dependency's breaker in `breakers` hears of every outcome; one that answers but refuses
    (`DependencyRefusal`) is unhealthy, and a success for its breaker. Those of `insistent` are healthy again only when
    so many probes in a row have succeeded that their breaker is closed.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        facts: Facts,
        *,
        instance_id: str,
        clock: Clock,
        disabled: Sequence[str] = (),
        breakers: Mapping[str, CircuitBreaker] | None = None,
        insistent: Collection[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._facts = facts
        self._instance_id = instance_id
        self._clock = clock
        self._born = clock.monotonic()
        unknown = Check(UNHEALTHY, reason="not checked yet")
        self._dependencies = {name: _Dependency(probe, unknown, self._born) for name, probe in probes.items()}
        self._breakers = breakers or {}
        self._insistent = insistent
        self._disabled = {name: Check(DISABLED) for name in disabled}
        self._recovered = False
        self._caught_up = False
        self._starting = True

    @property
    def checks(self) -> dict[str, Check]:
        """The last outcome per dependency."""
        return {name: dependency.check for name, dependency in self._dependencies.items()} | self._disabled

    def report(self) -> dict[str, Any]:
        """Return the data of `/health`; `problems` is there when something has stopped, one line each."""
        self._look()
        outbox = self._facts.outbox()
        problems = [*self._facts.stopped_agents(), *filter(None, (outbox.full, outbox.unwritable))]
        checks = {name: check._asdict() for name, check in self.checks.items()}
        if "kafka" in checks:
            checks["kafka"]["connected"] = checks["kafka"]["status"] == HEALTHY
        if "outbox" in checks:
            checks["outbox"]["pending"] = outbox.pending
        return {
            "status": overall_status(
                self.checks,
                starting=self._starting,
                recovered=self._recovered,
                stopped=problems,
            ),
            "service": SERVICE_NAME,
            "version": __version__,
            "instance_id": self._instance_id,
            "timestamp": format_us(self._clock.now_us()),
            "uptime_seconds": round(self._clock.monotonic() - self._born, 3),
            "checks": checks,
            **({"problems": problems} if problems else {}),
        }

    def readiness(self) -> dict[str, Any]:
        """Return the data of `/ready`."""
        self._look()
        reasons = unready_reasons(
            recovered=self._recovered,
            caught_up=self._caught_up,
            stopping=self._facts.stopping(),
            stopped=[*self._facts.halted(), *filter(None, [self._facts.outbox().full])],
        )
        checks = self.checks
        critical = {name: checks[name].status for name in ("database", "kafka") if name in checks}
        return {"ready": not reasons, "reasons": reasons, "critical_services": critical}

    async def on_start(self) -> None:
        for name, dependency in self._dependencies.items():
            self.add_future(self._watch(name, dependency))

    async def _watch(self, name: str, dependency: _Dependency) -> None:
        while not self.should_stop:
            await self.probe(name)
            self._look()
            await self.sleep(PROBE_SECONDS if dependency.check.status == HEALTHY else PROBE_SECONDS_DOWN)

    async def probe(self, name: str) -> None:
        """Probe one dependency now and keep the outcome."""
        dependency, breaker = self._dependencies[name], self._breakers.get(name)
        check, away = await self._ask(dependency)
        self._settle(breaker, away)
        while away is None and breaker is not None and name in self._insistent and breaker.heeds_probes:
            check, away = await self._ask(dependency)
            self._settle(breaker, away)
        if check.status != dependency.check.status:
            log.info("dependency_changed", dependency=name, status=check.status, reason=check.reason)
        dependency.check = check
        if check.reason is None:
            dependency.down_since = None
        elif dependency.down_since is None:
            dependency.down_since = self._clock.monotonic()

    async def _ask(self, dependency: _Dependency) -> tuple[Check, str | None]:
        """Probe once; return the outcome, and why the dependency is away if it is."""
        started = self._clock.monotonic()
        away = refused = None
        try:
            async with asyncio.timeout(PROBE_LIMIT_SECONDS):
                await dependency.probe()
        except TimeoutError:
            away = f"no answer within {PROBE_LIMIT_SECONDS:g} s"
        except DependencyRefusal as refusal:
            refused = str(refusal)
        except Exception as error:  # any failure of a client means that its dependency is away, and that is the answer
            away = f"{type(error).__name__}: {error}"
        reason, seconds = away or refused, self._clock.monotonic() - started
        return Check(UNHEALTHY if reason else HEALTHY, round(seconds * 1000, 3), reason), away

    def _settle(self, breaker: CircuitBreaker | None, away: str | None) -> None:
        if breaker is None:
            return
        if away is None:
            breaker.probe_succeeded()
        else:
            breaker.probe_failed(away)

    def _look(self) -> None:
        """Keep what is true once and for all: the first recovery, the first catching up, the end of the start."""
        self._recovered = self._recovered or self._facts.recovered()
        self._caught_up = self._caught_up or self._facts.caught_up()
        if self._recovered or self._seconds_down("kafka") >= KAFKA_PATIENCE_SECONDS:
            self._starting = False

    def _seconds_down(self, name: str) -> float:
        dependency = self._dependencies.get(name)
        if dependency is None or dependency.down_since is None:
            return 0.0
        return self._clock.monotonic() - dependency.down_since
