"""How often calls of a series fail, now and before (intelligence §3.3)."""

from typing import NamedTuple

import msgspec

from bridge_app.domain.intelligence.measures import confidence, fisher_greater, wilson_lower

RECENT = 20
#: Counts of older outcomes are halved above it, so that the past counts less the longer ago it is.
MOST_BASE = 1000
#: From so many older outcomes on, the recent ones are compared with them.
LEAST_BASE = 10
LEAST_OUTCOMES = 9
SIGNIFICANCE = 0.001
LEAST_RISE = 0.1
#: How near to its old rate the new one must be for the alarm to end.
CLOSE_TO = 0.05


class Outcomes(msgspec.Struct, array_like=True, frozen=True):
    """The last 20 outcomes, true for a failure, and the counts of the older ones."""

    recent: tuple[bool, ...] = ()
    base: int = 0
    base_failures: int = 0

    @property
    def rate(self) -> float:
        """The share of failures among the last outcomes."""
        return sum(self.recent) / len(self.recent) if self.recent else 0.0

    @property
    def base_rate(self) -> float:
        """The share of failures before; 0 when there were none."""
        return self.base_failures / self.base if self.base else 0.0


class Alarm(NamedTuple):
    """Calls fail more often than they did: by which test, how sure, and both rates."""

    method: str
    confidence: float
    rate: float
    base_rate: float


def forgive(outcomes: Outcomes) -> Outcomes:
    """Return the outcomes when the last ones are as good as any: they are the base now."""
    base, failures = outcomes.base + len(outcomes.recent), outcomes.base_failures + sum(outcomes.recent)
    return Outcomes((), base, failures)


def take(outcomes: Outcomes, failed: bool, *, frozen: bool) -> Outcomes:
    """Return the outcomes with one more; while an alarm is open the base is `frozen`: what leaves is forgotten."""
    recent = (*outcomes.recent, failed)
    if len(recent) <= RECENT:
        return msgspec.structs.replace(outcomes, recent=recent)
    oldest, recent = recent[0], recent[1:]
    if frozen:
        return msgspec.structs.replace(outcomes, recent=recent)
    base, failures = outcomes.base + 1, outcomes.base_failures + oldest
    if base > MOST_BASE:
        base, failures = base // 2, failures // 2
    return Outcomes(recent, base, failures)


def alarm(outcomes: Outcomes, threshold: float) -> Alarm | None:
    """Return the alarm that the outcomes are worth, to be asked after each failure; `threshold` is a confidence."""
    rate, base_rate = outcomes.rate, outcomes.base_rate
    if outcomes.base < LEAST_BASE:
        if len(outcomes.recent) < LEAST_OUTCOMES:
            return None
        sure = confidence(wilson_lower(sum(outcomes.recent), len(outcomes.recent)))
        return Alarm("wilson_bound", sure, rate, base_rate) if sure >= threshold else None
    if rate - base_rate < LEAST_RISE:
        return None
    p = fisher_greater(sum(outcomes.recent), len(outcomes.recent), outcomes.base_failures, outcomes.base)
    if p > SIGNIFICANCE:
        return None
    sure = confidence(1 - RECENT * p)
    return Alarm("fisher_exact", sure, rate, base_rate) if sure >= threshold else None


def is_over(outcomes: Outcomes) -> bool:
    """Whether calls fail about as seldom as they did before the alarm."""
    return outcomes.rate <= outcomes.base_rate + CLOSE_TO


def severity(rate: float) -> str:
    """Return the severity of a rate of failures."""
    return "medium" if rate < 0.25 else "high" if rate < 0.5 else "critical"
