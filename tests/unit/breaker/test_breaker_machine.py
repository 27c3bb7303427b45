"""A breaker against a plain model of the table in resilience §1: late permits, parallel probes, resets, time."""

import gc
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from bridge_app.domain.breaker import BreakerChange, CircuitBreaker, Permit, Verdict
from bridge_app.errors import CircuitOpenError
from bridge_app.settings.breakers import BreakerLimits

LIMITS = BreakerLimits(failure_threshold=3, cooldown_seconds=10.0, probes=2, close_after=3)


class Model:
    """The table, written down: no generations, but the permits that still count."""

    def __init__(self) -> None:
        self.state = "closed"
        self.failures = self.successes = 0
        self.opened_at = 0.0
        self.counting: list[int] = []
        self.changes: list[str] = []
        self.probe_was_bad = self.probes_judge = False

    def go(self, state: str, now: float) -> None:
        if state != self.state:
            self.changes.append(state)
        self.state, self.counting, self.successes = state, [], 0
        if state == "open":
            self.opened_at, self.probes_judge = now, self.probe_was_bad
        if state == "closed":
            self.failures, self.probes_judge = 0, False

    def look(self, now: float) -> None:
        if self.state == "open" and now >= self.opened_at + LIMITS.cooldown_seconds:
            self.go("half_open", now)

    def admits(self) -> bool:
        return self.state == "closed" or (self.state == "half_open" and len(self.counting) < LIMITS.probes)

    def good(self, now: float) -> None:
        if self.state == "closed":
            self.failures, self.probes_judge = 0, False
        elif self.state == "half_open":
            self.successes += 1
            if self.successes == LIMITS.close_after:
                self.go("closed", now)

    def bad(self, now: float) -> None:
        if self.state != "open":
            self.failures += 1
            if self.state == "half_open" or self.failures == LIMITS.failure_threshold:
                self.go("open", now)


class BreakerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.changes: list[BreakerChange] = []
        self.breaker = CircuitBreaker(
            "kafka",
            LIMITS,
            monotonic=lambda: self.now,
            classify=lambda error: Verdict.FAILURE,
            on_change=self.changes.append,
        )
        self.model = Model()
        self.permits: dict[int, Permit] = {}
        self.numbers = 0

    @rule(seconds=st.sampled_from([0.5, 4.0, 9.5, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_begins(self) -> None:
        self.model.look(self.now)
        self.numbers += 1
        if not self.model.admits():
            with pytest.raises(CircuitOpenError):
                self.breaker.acquire()
            return
        self.permits[self.numbers] = self.breaker.acquire()
        self.model.counting.append(self.numbers)

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), how=st.sampled_from(["success", "failure", "ignore", "collected"]))
    def a_call_ends(self, data: Any, how: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.permits)))
        counts = number in self.model.counting
        if counts:
            self.model.counting.remove(number)
        permit = self.permits.pop(number)
        if how == "success":
            permit.success()
            if counts:
                self.model.good(self.now)
        elif how == "failure":
            permit.failure("refused")
            if counts:
                self.model.bad(self.now)
        elif how == "ignore":
            permit.ignore()
        else:
            del permit
            gc.collect()
            return
        permit.failure("a second settlement does nothing")

    @rule()
    def a_probe_fails(self) -> None:
        self.model.look(self.now)
        self.model.probe_was_bad = self.model.probes_judge = True
        self.model.bad(self.now)
        self.breaker.probe_failed("refused")

    @rule()
    def a_probe_succeeds(self) -> None:
        self.model.look(self.now)
        first, self.model.probe_was_bad = self.model.probe_was_bad, False
        if self.model.state == "open" and first:
            self.model.go("half_open", self.now)
        elif self.model.probes_judge:
            self.model.good(self.now)
        self.breaker.probe_succeeded()

    @rule()
    def it_is_reset(self) -> None:
        self.model.look(self.now)
        self.model.go("closed", self.now)
        self.breaker.reset()

    @rule()
    def it_is_opened(self) -> None:
        self.model.look(self.now)
        self.model.go("open", self.now)
        self.breaker.open("maintenance")

    @invariant()
    def they_agree(self) -> None:
        self.model.look(self.now)
        seen = self.breaker.snapshot()
        assert (seen.state, seen.failure_count) == (self.model.state, self.model.failures)
        assert seen.success_count == self.model.successes
        assert seen.opened_at == (None if seen.state == "closed" else self.model.opened_at)
        if seen.state == "half_open":
            assert seen.probes_in_flight == len(self.model.counting) <= LIMITS.probes
        else:
            assert seen.probes_in_flight == 0
        assert [change.state for change in self.changes] == self.model.changes


def test_resilience_02_a_breaker_does_what_the_table_says() -> None:
    run_state_machine_as_test(
        BreakerMachine, settings=settings(deadline=None, max_examples=100, stateful_step_count=50)
    )
