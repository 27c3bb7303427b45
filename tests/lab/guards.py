"""Circuit breakers and alarms for parts that are tested without a worker around them."""

from bridge_app.clock import SystemClock
from bridge_app.domain.alarms import Alarm, NoAlarms
from bridge_app.domain.breaker import CircuitBreaker
from bridge_app.effects.breakers import Breakers
from bridge_app.effects.guarded_reads import GuardedReads
from bridge_app.effects.postgres import Postgres
from bridge_app.metrics import Metrics
from bridge_app.settings.breakers import DEFAULTS


class Heard(NoAlarms):
    """Keeps the alarms it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def raise_(self, alarm: Alarm) -> None:
        self.told.append(f"raised {alarm.name}")

    def clear(self, name: str) -> None:
        self.told.append(f"cleared {name}")


def new_breaker(name: str, metrics: Metrics | None = None) -> CircuitBreaker:
    """Return a breaker of the worker with its default limits, closed."""
    return Breakers(DEFAULTS, metrics=metrics or Metrics(), alarms=NoAlarms(), clock=SystemClock())[name]


def guarded(postgres: Postgres) -> GuardedReads:
    """Return reads as views do them."""
    return GuardedReads(postgres, new_breaker("postgres"), Metrics(), SystemClock())
