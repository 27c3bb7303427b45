"""What a change of one of the worker's breakers sets off, and what guards with them (resilience §1, §2)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from consul.exceptions import ClientError

from bridge_app.domain.breaker import Verdict
from bridge_app.effects.breakers import Breakers, verdict_of
from bridge_app.effects.guarded_reads import GuardedReads
from bridge_app.effects.postgres import Postgres
from bridge_app.errors import NotFound, RequestError, ServiceUnavailable
from bridge_app.health import Facts, Health
from bridge_app.metrics import Metrics
from bridge_app.settings.breakers import DEFAULTS
from tests.lab.guards import Heard
from tests.unit.web.http_worker import ManualClock


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.alarms = Heard()
        self.breakers = Breakers(DEFAULTS, metrics=self.metrics, alarms=self.alarms, clock=self.clock)

    def fail(self, name: str, times: int = 5) -> None:
        for _ in range(times):
            self.breakers[name].acquire().failure("refused")

    def sample(self, metric: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(metric, labels)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_change_is_counted_and_one_outage_is_one_alarm(bench: Bench) -> None:
    bench.fail("postgres")
    assert bench.sample("circuit_breaker_state", name="postgres") == 0
    bench.clock.seconds += 30
    assert bench.sample("circuit_breaker_state", name="postgres") == 0.5
    bench.fail("postgres", 1)
    bench.clock.seconds += 30
    for _ in range(3):
        bench.breakers["postgres"].acquire().success()

    assert bench.sample("circuit_breaker_state", name="postgres") == 1
    counted = {
        state: bench.sample("bridge_circuit_breaker_transitions_total", name="postgres", to_state=state)
        for state in ("open", "half_open", "closed")
    }
    assert counted == {"open": 2, "half_open": 2, "closed": 1}
    assert bench.alarms.told == ["raised breaker.postgres", "raised breaker.postgres", "cleared breaker.postgres"]


def test_one_failing_breaker_touches_no_other(bench: Bench) -> None:
    bench.fail("kafka")
    assert {name: str(bench.breakers[name].snapshot().state) for name in bench.breakers} == {
        "kafka": "open", "postgres": "closed", "consul": "closed", "onextree": "closed", "stamping": "closed",
    }  # fmt: skip


def test_the_breakers_of_workflow_peers_are_counted_but_raise_no_alarm(bench: Bench) -> None:
    bench.fail("onextree")
    assert bench.sample("bridge_circuit_breaker_transitions_total", name="onextree", to_state="open") == 1
    assert bench.alarms.told == []


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ServiceUnavailable("away"), Verdict.FAILURE),
        (ConnectionResetError(), Verdict.FAILURE),
        (NotFound("no such row"), Verdict.NEITHER),
        (ClientError("429 too many requests"), Verdict.NEITHER),
        (ClientError("409 conflict"), Verdict.SUCCESS),
        (KeyError("an answer of the client library"), Verdict.SUCCESS),
    ],
)
def test_what_an_error_says_about_a_dependency(error: Exception, verdict: Verdict) -> None:
    assert verdict_of(error) is verdict


async def test_probes_settle_the_breaker_of_their_dependency(bench: Bench) -> None:
    away: list[RequestError] = [ServiceUnavailable("away")]

    async def probe() -> None:
        if away:
            raise away[0]

    facts = Facts(lambda: True, lambda: True, lambda: False, lambda: [])
    health = Health(
        {"database": probe}, facts, instance_id="i", clock=bench.clock,
        breakers={"database": bench.breakers["postgres"]},
    )  # fmt: skip
    for _ in range(5):
        await health.probe("database")
    assert bench.breakers["postgres"].snapshot().state == "open"
    away.clear()
    await health.probe("database")
    assert bench.breakers["postgres"].snapshot().state == "half_open"


class Database(Postgres):
    """Postgres as a guard sees it: lends anything, or is away."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.asked = 0
        self.away = False

    @asynccontextmanager
    async def acquire(self, timeout: float = 0.0) -> AsyncIterator[Any]:
        self.asked += 1
        if self.away:
            raise ServiceUnavailable("Postgres is away")
        yield self


@pytest.fixture
def database(make_settings: Any) -> Database:
    return Database(make_settings())


def reads_of(bench: Bench, database: Database) -> GuardedReads:
    return GuardedReads(database, bench.breakers["postgres"], bench.metrics, bench.clock)


async def test_reads_are_refused_at_once_while_the_breaker_is_open(bench: Bench, database: Database) -> None:
    database.ready.set()
    reads = reads_of(bench, database)
    database.away = True
    for _ in range(5):
        with pytest.raises(ServiceUnavailable):
            async with reads.acquire("pattern_page"):
                pass
    bench.clock.seconds += 10.5
    with pytest.raises(ServiceUnavailable, match="postgres is open") as refused:
        async with reads.acquire("pattern_page"):
            pass
    assert (database.asked, refused.value.headers) == (5, {"Retry-After": "20"})
    assert bench.sample("bridge_db_query_total", operation="pattern_page", status="error") == 5


async def test_reads_that_fail_for_another_reason_are_answers(bench: Bench, database: Database) -> None:
    database.ready.set()
    bench.fail("postgres", 4)
    with pytest.raises(ValueError, match="of the row"):
        async with reads_of(bench, database).acquire("pattern_find"):
            raise ValueError("of the row")
    assert bench.breakers["postgres"].snapshot().failure_count == 0


async def test_missing_migrations_say_so_and_nothing_about_postgres(bench: Bench, database: Database) -> None:
    database.reason = "migration 007 fails"
    for _ in range(6):
        with pytest.raises(ServiceUnavailable, match="migration 007 fails"):
            async with reads_of(bench, database).acquire("pattern_find"):
                pass
    assert bench.breakers["postgres"].snapshot().failure_count == 0
