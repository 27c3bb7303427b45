"""GET /health and GET /ready, and the judgement behind them (conventions §6)."""

import asyncio

import aiohttp
import pytest

from bridge_app.domain.breaker import BreakerState
from bridge_app.errors import DependencyRefusal, ServiceUnavailable
from bridge_app.health import Check, Facts, Health, OutboxState, overall_status, unready_reasons
from bridge_app.settings.breakers import DEFAULTS
from tests.lab.guards import new_breaker
from tests.unit.web.http_worker import ManualClock, Worker

UP = Check("healthy", 1.0)
DOWN = Check("unhealthy", 1.0, "away")
OFF = Check("disabled")


@pytest.mark.parametrize(
    ("checks", "starting", "recovered", "stopped", "status"),
    [
        ({"kafka": UP, "database": UP}, False, True, [], "healthy"),
        ({"kafka": UP, "database": DOWN}, False, True, [], "degraded"),
        ({"kafka": UP, "consul": OFF}, False, True, [], "healthy"),
        ({"kafka": UP}, True, False, [], "starting"),
        ({"kafka": DOWN}, True, False, [], "starting"),
        ({"kafka": UP}, False, False, [], "degraded"),
        ({"kafka": UP}, False, True, ["agent stopped"], "unhealthy"),
        ({"kafka": UP}, True, False, ["agent stopped"], "unhealthy"),
    ],
)
def test_the_status_follows_from_checks_and_phase(
    checks: dict[str, Check], starting: bool, recovered: bool, stopped: list[str], status: str
) -> None:
    assert overall_status(checks, starting=starting, recovered=recovered, stopped=stopped) == status


def test_readiness_names_every_reason() -> None:
    assert unready_reasons(recovered=True, caught_up=True, stopping=False, stopped=[]) == []
    assert len(unready_reasons(recovered=False, caught_up=False, stopping=True, stopped=["agent x stopped"])) == 4


class Dependency:
    """A dependency whose probe succeeds, fails or hangs."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.hangs = False

    async def probe(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


def make_health(clock: ManualClock, kafka: Dependency, *, recovered: bool = False) -> Health:
    facts = Facts(lambda: recovered, lambda: True, lambda: False, lambda: [])
    return Health({"kafka": kafka.probe}, facts, instance_id="i", clock=clock, disabled=("outbox",))


async def test_a_failed_probe_is_told_with_its_reason() -> None:
    kafka = Dependency()
    health = make_health(ManualClock(), kafka, recovered=True)

    await health.probe("kafka")
    assert (health.report()["status"], health.report()["checks"]["kafka"]["connected"]) == ("healthy", True)

    kafka.error = ConnectionError("no broker answers")
    await health.probe("kafka")
    report = health.report()
    assert report["status"] == "degraded"
    assert report["checks"]["kafka"] == {
        "status": "unhealthy",
        "response_time_ms": 0.0,
        "reason": "ConnectionError: no broker answers",
        "connected": False,
    }


async def test_a_probe_that_hangs_is_cut_at_one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_app.health.PROBE_LIMIT_SECONDS", 0.01)
    kafka = Dependency()
    kafka.hangs = True
    health = make_health(ManualClock(), kafka)

    await health.probe("kafka")

    assert health.checks["kafka"].reason == "no answer within 0.01 s"


async def test_a_dependency_that_refuses_is_unhealthy_and_no_failure_for_its_breaker() -> None:
    consul = Dependency()
    breaker = new_breaker("consul")
    facts = Facts(lambda: True, lambda: True, lambda: False, list)
    health = Health({"consul": consul.probe}, facts, instance_id="i", clock=ManualClock(), breakers={"consul": breaker})
    consul.error = DependencyRefusal("Consul refuses the registration")
    for _ in range(DEFAULTS["consul"].failure_threshold):
        await health.probe("consul")
    assert (health.report()["status"], health.checks["consul"].reason) == (
        "degraded",
        "Consul refuses the registration",
    )
    assert breaker.snapshot().state is BreakerState.CLOSED

    consul.error = ServiceUnavailable("Consul is away")
    for _ in range(DEFAULTS["consul"].failure_threshold):
        await health.probe("consul")
    assert breaker.snapshot().state is BreakerState.OPEN


async def test_conventions_01_the_start_ends_with_the_recovery_or_after_ten_seconds_without_kafka() -> None:
    clock = ManualClock()
    kafka = Dependency()
    kafka.error = ConnectionError()
    health = make_health(clock, kafka)
    await health.probe("kafka")

    clock.seconds += 9.9
    assert health.report()["status"] == "starting"
    clock.seconds += 0.1
    assert health.report()["status"] == "degraded"

    kafka.error = None
    await health.probe("kafka")
    assert health.report()["status"] == "degraded", "the agents have not recovered, and a start happens once"


async def test_the_start_ends_after_ten_seconds_in_which_kafka_refuses_too() -> None:
    clock = ManualClock()
    kafka = Dependency()
    kafka.error = DependencyRefusal("the replication factor is too large")
    health = make_health(clock, kafka)
    await health.probe("kafka")

    clock.seconds += 10
    assert health.report()["status"] == "degraded"
    assert health.checks["kafka"].reason == "the replication factor is too large"


async def test_ten_seconds_without_recovery_are_still_the_start_while_kafka_answers() -> None:
    clock = ManualClock()
    health = make_health(clock, Dependency())
    await health.probe("kafka")

    clock.seconds += 60

    assert health.report()["status"] == "starting"


async def test_health_has_the_specified_form(worker: Worker, http: aiohttp.ClientSession) -> None:
    await worker.health.probe("kafka")
    await worker.health.probe("database")
    worker.clock.seconds += 5

    async with http.get("/health") as response:
        data = (await response.json())["data"]

    assert response.status == 200
    assert data == {
        "status": "healthy",
        "service": "omninode-bridge",
        "version": "0.1.0",
        "instance_id": "i-1",
        "timestamp": "2024-01-15T10:30:00.000000Z",
        "uptime_seconds": 5.0,
        "checks": {
            "kafka": {"status": "healthy", "response_time_ms": 0.0, "reason": None, "connected": True},
            "database": {"status": "healthy", "response_time_ms": 0.0, "reason": None},
            "consul": {"status": "disabled", "response_time_ms": None, "reason": None},
            "outbox": {"status": "disabled", "response_time_ms": None, "reason": None, "pending": 0},
        },
    }


async def test_ready_is_503_until_recovered_and_stays_200_through_a_rebalance(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    worker.recovered = False
    async with http.get("/ready") as response:
        answer = await response.json()
    assert response.status == 503
    assert answer["data"] == {
        "ready": False,
        "reasons": ["state is being recovered"],
        "critical_services": {"database": "unhealthy", "kafka": "unhealthy"},
    }
    assert answer["error"]["code"] == "SERVICE_UNAVAILABLE"

    worker.recovered = True
    async with http.get("/ready") as response:
        assert response.status == 200
    worker.recovered = False
    async with http.get("/ready") as response:
        assert (response.status, (await response.json())["data"]["ready"]) == (200, True)


@pytest.mark.parametrize(("halted", "ready"), [([], True), (["agent stopped"], False)])
async def test_one_stopped_topic_is_unhealthy_and_ready_nevertheless(halted: list[str], ready: bool) -> None:
    kafka = Dependency()
    problems = halted or ["agent stopped topic t"]
    facts = Facts(lambda: True, lambda: True, lambda: False, lambda: problems, halted=lambda: halted)
    health = Health({"kafka": kafka.probe}, facts, instance_id="i", clock=ManualClock())
    await health.probe("kafka")
    assert health.report()["status"] == "unhealthy"
    assert health.report()["problems"] == problems
    assert health.readiness()["ready"] is ready


@pytest.mark.parametrize(
    ("outbox", "status", "is_ready"),
    [
        (OutboxState(7), "healthy", True),
        (OutboxState(7, full="the outbox is full"), "unhealthy", False),
        (OutboxState(7, unwritable="the outbox cannot be written"), "unhealthy", True),
    ],
)
async def test_the_outbox_counts_what_waits_and_makes_the_worker_unhealthy_when_it_takes_nothing(
    outbox: OutboxState, status: str, is_ready: bool
) -> None:
    facts = Facts(lambda: True, lambda: True, lambda: False, list, outbox=lambda: outbox)
    well = Dependency()
    health = Health({"kafka": well.probe, "outbox": well.probe}, facts, instance_id="i", clock=ManualClock())
    await health.probe("kafka")
    await health.probe("outbox")

    report = health.report()

    assert (report["status"], report["checks"]["outbox"]["pending"]) == (status, 7)
    assert health.readiness()["ready"] == is_ready
    assert health.readiness()["reasons"] == [outbox.full] * (not is_ready)
