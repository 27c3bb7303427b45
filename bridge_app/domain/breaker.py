"""Keeps calls away from a dependency that fails (resilience §1); one breaker per dependency and worker, in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum, StrEnum
from typing import NamedTuple, TypeVar, TypeVarTuple

from bridge_app.errors import CircuitOpenError
from bridge_app.settings.breakers import BreakerLimits

#: What a caller refused while half-open is told to wait, in seconds: one of the calls in flight will have settled.
HALF_OPEN_RETRY_SECONDS = 1.0

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class BreakerState(StrEnum):
    """Calls are let through; refused; let through a few at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Verdict(Enum):
    """What an error says about the dependency: it failed, it answered, or nothing (429, our own validation)."""

    FAILURE = 1
    SUCCESS = 2
    NEITHER = 3


class BreakerSnapshot(NamedTuple):
    """A breaker as it is now. Times are seconds of its clock, None when there was none.

    `failure_count`: failures since the last success while closed. `success_count`: successes while half-open.
    `probes_sent`: calls let through since it became half-open.
    """

    state: BreakerState
    failure_count: int
    success_count: int
    opened_at: float | None
    last_failure_time: float | None
    probes_in_flight: int
    generation: int
    probes_sent: int


class BreakerChange(NamedTuple):
    """A breaker went from one state to another; `reason` is the error or what was done by hand."""

    name: str
    previous: BreakerState
    state: BreakerState
    reason: str


class Permit:
    """The right to make one call. It settles once, further settling does nothing; collected unsettled it is ignored."""

    __slots__ = ("_breaker", "_generation")

    def __init__(self, breaker: "CircuitBreaker", generation: int) -> None:
        self._breaker: CircuitBreaker | None = breaker
        self._generation = generation

    def success(self) -> None:
        """The dependency answered."""
        if breaker := self._settle():
            breaker._succeeded()

    def failure(self, error: BaseException | str) -> None:
        """The dependency failed."""
        if breaker := self._settle():
            breaker._failed(error)

    def ignore(self) -> None:
        """Nothing was learnt about the dependency."""
        self._settle()

    def _settle(self) -> "CircuitBreaker | None":
        """Give the call back; return the breaker unless this permit was settled or is of an older generation."""
        breaker, self._breaker = self._breaker, None
        return breaker if breaker is not None and breaker._leave(self._generation) else None

    def __del__(self) -> None:
        self.ignore()


class CircuitBreaker:
    """One breaker. Nothing in it waits or does I/O but `call`, which runs what it is given.

    Every change of state starts a new generation, and so do `reset` and `open`: permits of an older one settle without
    effect. The end of the cooldown is noticed by looking or calling. `classify` judges what `call` raises, timeouts
    are failures anyhow; `on_change` is told each change of state, after it, and must not raise. Not thread-safe.
    """

    def __init__(
        self,
        name: str,
        limits: BreakerLimits,
        *,
        monotonic: Callable[[], float],
        classify: Callable[[Exception], Verdict],
        on_change: Callable[[BreakerChange], None] = lambda change: None,
    ) -> None:
        self.name = name
        self.limits = limits
        self._monotonic = monotonic
        self._classify = classify
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._generation = 0
        self._failures = 0
        self._successes = 0
        self._opened_at: float | None = None
        self._last_failure: float | None = None
        self._in_flight = 0
        self._sent = 0
        self._last_probe_failed = False
        self._probes_tell = False  # probes saw the present trouble, so they can tell that it is over, too

    def acquire(self) -> Permit:
        """Return the right to call, at once.

        Raises:
            CircuitOpenError: the breaker is open, or half-open with as many calls in flight as may probe.
        """
        self._look()
        if self._state is BreakerState.OPEN:
            raise CircuitOpenError(self.name, self._cooldown_left())
        if self._state is BreakerState.HALF_OPEN:
            if self._in_flight >= self.limits.probes:
                raise CircuitOpenError(self.name, HALF_OPEN_RETRY_SECONDS)
            self._in_flight += 1
            self._sent += 1
        return Permit(self, self._generation)

    async def call(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts, timeout: float) -> T:
        """Run `fn` for at most `timeout` seconds and settle by what became of it; a cancelled call is ignored.

        Raises:
            CircuitOpenError: refused, `fn` was not called.
            TimeoutError: it took too long.
        """
        permit = self.acquire()
        try:
            async with asyncio.timeout(timeout):
                result = await fn(*args)
        except TimeoutError as error:
            permit.failure(error)
            raise
        except Exception as error:  # not handled, only judged
            self.judge(permit, error)
            raise
        else:
            permit.success()
            return result
        finally:
            permit.ignore()

    def judge(self, permit: Permit, error: Exception) -> None:
        """Settle a permit by what its call raised."""
        verdict = self._classify(error)
        if verdict is Verdict.FAILURE:
            permit.failure(error)
        elif verdict is Verdict.SUCCESS:
            permit.success()
        else:
            permit.ignore()

    def probe_failed(self, error: BaseException | str) -> None:
        """Count a probe from outside (resilience §2) as a failure."""
        self._look()
        self._last_probe_failed = self._probes_tell = True
        self._failed(error)

    def probe_succeeded(self) -> None:
        """Take a probe's word that the dependency is back.

        The first success after a failed probe makes an open breaker half-open at once. Further ones count as successes
        while half-open, if probes failed as well: only then do they say anything about what is wrong.
        """
        self._look()
        first, self._last_probe_failed = self._last_probe_failed, False
        if self._state is BreakerState.OPEN:
            if first:
                self._enter(BreakerState.HALF_OPEN, "a probe succeeded")
        elif self._probes_tell:
            self._succeeded()

    @property
    def heeds_probes(self) -> bool:
        """Whether a probe that succeeds now counts towards closing it."""
        self._look()
        return self._state is BreakerState.HALF_OPEN and self._probes_tell

    def snapshot(self) -> BreakerSnapshot:
        """Return the breaker as it is now."""
        self._look()
        return BreakerSnapshot(
            self._state,
            self._failures,
            self._successes,
            self._opened_at,
            self._last_failure,
            self._in_flight,
            self._generation,
            self._sent,
        )

    def reset(self) -> None:
        """Close it by hand, counts 0."""
        self._look()
        self._enter(BreakerState.CLOSED, "reset by hand")

    def open(self, reason: str) -> None:
        """Open it by hand; the cooldown begins anew."""
        self._look()
        self._enter(BreakerState.OPEN, reason)

    def _leave(self, generation: int) -> bool:
        """Take back a permit; return whether it still counts."""
        if generation != self._generation:
            return False
        if self._state is BreakerState.HALF_OPEN:
            self._in_flight -= 1
        return True

    def _succeeded(self) -> None:
        if self._state is BreakerState.CLOSED:
            self._failures = 0
            self._probes_tell = False
        elif self._state is BreakerState.HALF_OPEN:
            self._successes += 1
            if self._successes >= self.limits.close_after:
                self._enter(BreakerState.CLOSED, f"{self._successes} successes")

    def _failed(self, error: BaseException | str) -> None:
        self._last_failure = self._monotonic()
        if self._state is BreakerState.OPEN:
            return
        self._failures += 1
        if self._state is BreakerState.HALF_OPEN or self._failures >= self.limits.failure_threshold:
            self._enter(BreakerState.OPEN, error if isinstance(error, str) else f"{type(error).__name__}: {error}")

    def _look(self) -> None:
        if self._state is BreakerState.OPEN and self._cooldown_left() <= 0:
            self._enter(BreakerState.HALF_OPEN, "the cooldown is over")

    def _cooldown_left(self) -> float:
        assert self._opened_at is not None
        return self._opened_at + self.limits.cooldown_seconds - self._monotonic()

    def _enter(self, state: BreakerState, reason: str) -> None:
        previous, self._state = self._state, state
        self._generation += 1
        self._successes = self._in_flight = self._sent = 0
        if state is BreakerState.OPEN:
            self._opened_at = self._monotonic()
            self._probes_tell = self._last_probe_failed
        elif state is BreakerState.CLOSED:
            self._failures = 0
            self._opened_at = None
            self._probes_tell = False
        if previous is not state:
            self._on_change(BreakerChange(self.name, previous, state, reason))
