"""The worker's own circuit breakers, one per dependency, and what a change of one sets off (resilience §1)."""

from collections.abc import Iterator, Mapping

import structlog

from bridge_app.clock import Clock
from bridge_app.domain.alarms import Alarm, AlarmSink
from bridge_app.domain.breaker import BreakerChange, BreakerState, CircuitBreaker, Verdict
from bridge_app.effects.consul_client import is_busy
from bridge_app.errors import BridgeError, ServiceUnavailable
from bridge_app.metrics import Metrics
from bridge_app.settings.breakers import BreakerLimits

log = structlog.get_logger(__name__)

#: The breakers whose opening an operator must know of, and what it means for users.
TOLD = {
    "kafka": "Events of web requests wait in the outbox; agents and adapter get none.",
    "postgres": "History cannot be read; rows wait in Kafka.",
    "consul": "This worker may be missing in Consul; its configuration stays as it is.",
}
STATE_VALUES = {BreakerState.OPEN: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.CLOSED: 1.0}


class Breakers(Mapping[str, CircuitBreaker]):
    """Every breaker of the worker by its name; a change is counted, logged, and told where operators must know."""

    def __init__(
        self, limits: Mapping[str, BreakerLimits], *, metrics: Metrics, alarms: AlarmSink, clock: Clock
    ) -> None:
        self._metrics = metrics
        self._alarms = alarms
        self._clock = clock
        self._breakers = {name: self._new(name, one) for name, one in limits.items()}
        self._since_us = dict.fromkeys(limits, clock.now_us())

    def __getitem__(self, name: str) -> CircuitBreaker:
        return self._breakers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._breakers)

    def __len__(self) -> int:
        return len(self._breakers)

    def since_us(self, name: str) -> int:
        """Return since when a breaker has been in its state, in microseconds since the epoch."""
        return self._since_us[name]

    def _new(self, name: str, limits: BreakerLimits) -> CircuitBreaker:
        breaker = CircuitBreaker(
            name, limits, monotonic=self._clock.monotonic, classify=verdict_of, on_change=self._changed
        )
        for state in BreakerState:
            self._metrics.breaker_transitions.labels(name, state)
        # Asked when it is read: the end of a cooldown is seen by looking.
        self._metrics.breaker_state.labels(name).set_function(lambda: STATE_VALUES[breaker.snapshot().state])
        return breaker

    def _changed(self, change: BreakerChange) -> None:
        self._since_us[change.name] = self._clock.now_us()
        self._metrics.breaker_transitions.labels(change.name, change.state).inc()
        log.warning(
            "breaker_changed", breaker=change.name, previous=change.previous, state=change.state, reason=change.reason
        )
        if change.name not in TOLD:
            return
        alarm = f"breaker.{change.name}"
        if change.state is BreakerState.OPEN:
            self._alarms.raise_(
                Alarm(
                    alarm,
                    "CIRCUIT_BREAKER_OPEN",
                    f"Calls of {change.name} failed: {change.reason}",
                    impact=TOLD[change.name],
                    context={"breaker": change.name},
                )
            )
        elif change.state is BreakerState.CLOSED:
            self._alarms.clear(alarm)


def verdict_of(error: Exception) -> Verdict:
    """Judge what a guarded call raised.

    The parts that call a dependency translate its being away to `ServiceUnavailable`. Other errors of ours say nothing
    about it, nor does Consul's word that it is asked too often; other errors of its client are answers.
    """
    if isinstance(error, ServiceUnavailable | OSError):
        return Verdict.FAILURE
    return Verdict.NEITHER if isinstance(error, BridgeError) or is_busy(error) else Verdict.SUCCESS
