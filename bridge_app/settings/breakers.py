"""The limits of the circuit breakers (resilience §1); those of proxied targets are the proxy's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from bridge_app.settings.texts import integer, number
from bridge_app.settings.variables import Variable, variables


class BreakerLimits(NamedTuple):
    """When a breaker opens, for how long (in seconds), how many calls probe at a time, and when it closes."""

    failure_threshold: int
    cooldown_seconds: float
    probes: int
    close_after: int


DEFAULTS = {
    "kafka": BreakerLimits(5, 30.0, 3, 3),
    "postgres": BreakerLimits(5, 30.0, 3, 3),
    "consul": BreakerLimits(5, 30.0, 3, 3),
    "onextree": BreakerLimits(5, 60.0, 3, 2),
    "stamping": BreakerLimits(5, 60.0, 3, 2),
}


def _declared(name: str, limits: BreakerLimits) -> tuple[Variable, ...]:
    prefix = f"BREAKER_{name.upper()}"
    return (
        Variable(f"{prefix}_FAILURE_THRESHOLD", integer(1), limits.failure_threshold, "failures in a row that open it"),
        Variable(f"{prefix}_COOLDOWN_SECONDS", number(0.001), limits.cooldown_seconds, "how long it stays open"),
        Variable(f"{prefix}_PROBES", integer(1), limits.probes, "calls let through at a time while half-open"),
        Variable(f"{prefix}_CLOSE_AFTER", integer(1), limits.close_after, "successes that close it"),
    )


def _build(values: list[Any]) -> Mapping[str, BreakerLimits]:
    rows = zip(*[iter(values)] * len(BreakerLimits._fields), strict=True)
    return {name: BreakerLimits(*row) for name, row in zip(DEFAULTS, rows, strict=True)}


@dataclass(frozen=True, kw_only=True)
class Breakers:
    """Circuit breakers, one per dependency."""

    breakers: Mapping[str, BreakerLimits] = variables(
        tuple(one for name, limits in DEFAULTS.items() for one in _declared(name, limits)), _build
    )
