"""The circuit breaker, step by step (resilience §1, §2)."""

import asyncio

import pytest

from bridge_app.domain.breaker import BreakerChange, BreakerState, CircuitBreaker, Verdict
from bridge_app.errors import CircuitOpenError
from bridge_app.settings.breakers import BreakerLimits

LIMITS = BreakerLimits(failure_threshold=5, cooldown_seconds=30.0, probes=3, close_after=3)


class Throttled(Exception):
    """An answer that says nothing about the dependency, like a 429."""


class Refused(Exception):
    """An answer of a dependency that is well, like a 404."""


def classify(error: Exception) -> Verdict:
    if isinstance(error, Throttled):
        return Verdict.NEITHER
    return Verdict.SUCCESS if isinstance(error, Refused) else Verdict.FAILURE


class Bench:
    """A breaker with a clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.changes: list[BreakerChange] = []
        self.breaker = CircuitBreaker(
            "kafka", LIMITS, monotonic=lambda: self.now, classify=classify, on_change=self.changes.append
        )

    @property
    def state(self) -> BreakerState:
        return self.breaker.snapshot().state

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.acquire().failure(ConnectionResetError("reset"))

    def succeed(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.acquire().success()

    def half_open(self) -> None:
        self.fail(5)
        self.now += 30


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_resilience_01_five_failures_in_a_row_open_it(bench: Bench) -> None:
    bench.fail(4)
    assert bench.state == "closed"
    bench.fail()

    snapshot = bench.breaker.snapshot()
    assert (snapshot.state, snapshot.failure_count, snapshot.opened_at) == ("open", 5, 1000.0)
    assert bench.changes == [
        BreakerChange("kafka", BreakerState.CLOSED, BreakerState.OPEN, "ConnectionResetError: reset")
    ]


def test_resilience_01_four_failures_and_a_success_leave_it_closed(bench: Bench) -> None:
    bench.fail(4)
    bench.succeed()
    bench.fail(4)
    assert (bench.state, bench.breaker.snapshot().failure_count) == ("closed", 4)


def test_resilience_01_thirty_seconds_make_it_half_open(bench: Bench) -> None:
    bench.fail(5)
    bench.now += 29.5
    with pytest.raises(CircuitOpenError) as refused:
        bench.breaker.acquire()
    assert (refused.value.name, refused.value.retry_after_seconds) == ("kafka", 0.5)
    bench.now += 0.5
    assert bench.state == "half_open"


def test_resilience_01_three_successes_close_it(bench: Bench) -> None:
    bench.half_open()
    bench.succeed(2)
    assert bench.state == "half_open"
    bench.succeed()
    snapshot = bench.breaker.snapshot()
    assert (snapshot.state, snapshot.failure_count, snapshot.success_count) == ("closed", 0, 0)
    assert [change.state for change in bench.changes] == ["open", "half_open", "closed"]


def test_resilience_01_one_failure_opens_it_again_for_another_cooldown(bench: Bench) -> None:
    bench.half_open()
    bench.succeed(2)
    bench.fail()
    assert bench.state == "open"
    bench.now += 29.9
    assert bench.state == "open"
    bench.now += 0.1
    assert bench.state == "half_open"


def test_resilience_01_half_open_lets_as_many_calls_through_as_may_probe(bench: Bench) -> None:
    bench.half_open()
    permits = [bench.breaker.acquire() for _ in range(3)]
    with pytest.raises(CircuitOpenError):
        bench.breaker.acquire()
    permits.pop().ignore()
    assert bench.breaker.snapshot().probes_in_flight == 2
    bench.breaker.acquire()


def test_resilience_01_late_results_neither_close_nor_reopen(bench: Bench) -> None:
    late = [bench.breaker.acquire() for _ in range(8)]
    bench.half_open()
    for permit in late[:4]:
        permit.success()
    for permit in late[4:]:
        permit.failure("reset")
    assert bench.state == "half_open"


def test_resilience_01_by_hand(bench: Bench) -> None:
    begun = bench.breaker.acquire()
    bench.breaker.open("maintenance")
    assert bench.state == "open"
    bench.breaker.reset()
    begun.failure("of an older generation")
    assert (bench.state, bench.breaker.snapshot().failure_count) == ("closed", 0)
    assert [change.reason for change in bench.changes] == ["maintenance", "reset by hand"]


def test_a_failed_probe_counts_and_the_first_success_after_it_ends_the_cooldown(bench: Bench) -> None:
    bench.fail(4)
    bench.breaker.probe_failed("no answer")
    assert bench.state == "open"
    bench.breaker.probe_succeeded()
    assert bench.state == "half_open"


def test_probes_that_see_nothing_wrong_do_not_hide_failing_calls(bench: Bench) -> None:
    for _ in range(5):
        bench.breaker.probe_succeeded()
        bench.fail()
    bench.breaker.probe_succeeded()
    assert bench.state == "open"

    bench.now += 30
    for _ in range(5):
        bench.breaker.probe_succeeded()
    assert bench.state == "half_open"


def test_without_traffic_probes_that_saw_the_outage_close_it(bench: Bench) -> None:
    for _ in range(5):
        bench.breaker.probe_failed("no answer")
    for _ in range(1 + 3):
        bench.breaker.probe_succeeded()
    assert bench.state == "closed"


def test_lone_failed_probes_do_not_add_up(bench: Bench) -> None:
    for _ in range(20):
        bench.breaker.probe_failed("no answer")
        bench.breaker.probe_succeeded()
    assert bench.state == "closed"


async def test_a_call_is_judged_by_its_outcome(bench: Bench) -> None:
    async def raising(error: Exception) -> None:
        raise error

    async def answering(value: int) -> int:
        return value

    for error in (ConnectionError(), Throttled(), ConnectionError()):
        with pytest.raises(type(error)):
            await bench.breaker.call(raising, error, timeout=5)
    assert bench.breaker.snapshot().failure_count == 2
    with pytest.raises(Refused):
        await bench.breaker.call(raising, Refused(), timeout=5)
    assert bench.breaker.snapshot().failure_count == 0
    bench.fail()
    assert await bench.breaker.call(answering, 7, timeout=5) == 7
    assert bench.breaker.snapshot().failure_count == 0


async def test_a_timeout_is_a_failure(bench: Bench) -> None:
    with pytest.raises(TimeoutError):
        await bench.breaker.call(asyncio.Event().wait, timeout=0.01)
    assert bench.breaker.snapshot().failure_count == 1


async def test_a_call_that_its_caller_cancels_is_neither(bench: Bench) -> None:
    bench.half_open()
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(bench.breaker.call(hang, timeout=60))
    await begun.wait()
    assert bench.breaker.snapshot().probes_in_flight == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    snapshot = bench.breaker.snapshot()
    assert (snapshot.state, snapshot.probes_in_flight, snapshot.success_count) == ("half_open", 0, 0)


async def test_an_open_breaker_does_not_call(bench: Bench) -> None:
    async def never() -> None:
        raise AssertionError("called")

    bench.breaker.open("maintenance")
    with pytest.raises(CircuitOpenError):
        await bench.breaker.call(never, timeout=1)
