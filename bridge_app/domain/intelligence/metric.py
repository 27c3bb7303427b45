"""One metric of a series: what is usual for it, and when a value is out of the usual (intelligence §3.1, §3.2).

A spike is a value at or above the upper limit: it is flagged, and does not enter the baseline. A drift is found by a
cumulative sum over the values that are not flagged. One-sided: fast and small values are never anomalies.
"""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import msgspec

from bridge_app.domain.intelligence.measures import confidence, median_deviation, superiority

BASELINE = 100
REFERENCE = 30
RECENT = 30
#: Values below it teach nothing about their spread.
LEARNING = 3
#: From so many values on their own spread decides.
SPREAD_KNOWN = 30
FLOOR = 1.0

#: Iglewicz & Hoaglin, How to Detect and Handle Outliers, 1993: the modified z-score and its cut.
Z_FACTOR = 0.6745
Z_CUT = 3.5

#: The cumulative sum of Page (Biometrika 1954): what is allowed per value, how much one value counts, its cut and cap.
SLACK = 0.5
LARGEST_STEP = 4.0
CUT = 8.0
CAP = 16.0
LEAST_RECENT = 15
LEAST_RATIO = 1.2
LEAST_SPREAD = math.log(1.05)
MAD_TO_SIGMA = 1.4826


class Kind(NamedTuple):
    """A metric: its name, the least that counts as a spike while the spread is unknown and when it is known, and the
    name of such a spike.
    """

    name: str
    early_margin: float
    margin: float
    anomaly_type: str


EXECUTION_TIME = Kind("execution_time_ms", 100.0, 10.0, "response_time_spike")
STARTUP_TIME = Kind("startup_time_ms", 100.0, 10.0, "startup_time_spike")
CPU_PEAK = Kind("cpu_peak_percent", 20.0, 5.0, "cpu_spike")
MEMORY_PEAK = Kind("memory_peak_mb", 64.0, 16.0, "memory_spike")
KINDS = {kind.name: kind for kind in (EXECUTION_TIME, STARTUP_TIME, CPU_PEAK, MEMORY_PEAK)}


class Metric(msgspec.Struct, array_like=True, frozen=True):
    """The state of a metric, about 2 KiB.

    `baseline` are the last 100 unflagged values, `flags` the last 100 verdicts, `reference` the 30 values a drift is
    measured against, `recent` the last 30 unflagged ones after them, `pending` the last 30 flagged ones, `rise` the
    cumulative sum.
    """

    baseline: tuple[float, ...] = ()
    flags: tuple[bool, ...] = ()
    reference: tuple[float, ...] = ()
    recent: tuple[float, ...] = ()
    pending: tuple[float, ...] = ()
    rise: float = 0.0


class Limits(NamedTuple):
    """What is usual: `upper` flags, below `calm` all is well again; `unlikely` is `upper` without the least margin."""

    rule: str
    median: float
    spread: float
    upper: float
    unlikely: float

    @property
    def calm(self) -> float:
        return self.median + (self.upper - self.median) / 2


class Verdict(NamedTuple):
    """What a value was, judged before it entered the state; without limits nothing is known yet."""

    kind: Kind
    value: float
    limits: Limits | None
    samples: int
    flagged_share: float
    confidence: float

    @property
    def is_flagged(self) -> bool:
        return self.limits is not None and self.value >= self.limits.upper

    @property
    def is_calm(self) -> bool:
        return self.limits is None or self.value < self.limits.calm

    @property
    def ratio(self) -> float:
        """How many times the median it is; only a flagged value has limits for sure."""
        assert self.limits is not None
        return self.value / self.limits.median

    @property
    def modified_z(self) -> float:
        assert self.limits is not None
        return Z_FACTOR * (self.value - self.limits.median) / self.limits.spread


class Drift(NamedTuple):
    """A lasting rise: the median now and before, their ratio, how sure it is, and of how many values."""

    kind: Kind
    before: float
    now: float
    confidence: float
    samples: int

    @property
    def ratio(self) -> float:
        return self.now / self.before


def limits_of(kind: Kind, baseline: Sequence[float]) -> Limits | None:
    """Return the limits that a baseline sets, None while it is too small to say."""
    if len(baseline) < LEARNING:
        return None
    middle = max(median(baseline), FLOOR)
    spread = max(median_deviation(baseline), 0.05 * middle, FLOOR)
    skew = 1.5 * max(baseline)
    if len(baseline) < SPREAD_KNOWN:
        unlikely = max(3 * middle, skew)
        return Limits("ratio_rule", middle, spread, max(unlikely, middle + kind.early_margin), unlikely)
    unlikely = max(middle + Z_CUT * spread / Z_FACTOR, skew)
    return Limits("modified_z_score", middle, spread, max(unlikely, middle + kind.margin), unlikely)


def spike_confidence(flagged: int, of: int, unlikely: float, value: float) -> float:
    """Return how sure a spike is: less with a series that is often flagged, more with a value far above the limit."""
    return confidence(1 - (flagged + 1) / (of + 2) * unlikely / value)


def judge(kind: Kind, metric: Metric, value: float) -> Verdict:
    """Return what a value is, against what came before it."""
    limits = limits_of(kind, metric.baseline)
    flagged, of = sum(metric.flags), len(metric.flags)
    sure = 0.0
    if limits is not None and value >= limits.upper:
        sure = spike_confidence(flagged, of, limits.unlikely, value)
    return Verdict(kind, value, limits, len(metric.baseline), flagged / of if of else 0.0, sure)


def enter(metric: Metric, verdict: Verdict, threshold: float) -> tuple[Metric, Drift | None]:
    """Return the state with a judged value in it, and the drift that it completes."""
    value = verdict.value
    flags = (*metric.flags, verdict.is_flagged)[-BASELINE:]
    if verdict.is_flagged:
        return msgspec.structs.replace(metric, flags=flags, pending=(*metric.pending, value)[-RECENT:]), None
    baseline = (*metric.baseline, value)[-BASELINE:]
    if len(metric.reference) < REFERENCE:
        return msgspec.structs.replace(
            metric, flags=flags, baseline=baseline, reference=(*metric.reference, value)
        ), None
    after = msgspec.structs.replace(
        metric,
        flags=flags,
        baseline=baseline,
        recent=(*metric.recent, value)[-RECENT:],
        rise=_rise(metric, value),
    )
    drift = _drift(verdict.kind, after)
    if drift is None or drift.confidence < threshold:
        return after, None
    return msgspec.structs.replace(after, reference=(), recent=(), rise=0.0), drift


def _log(value: float) -> float:
    return math.log(max(value, FLOOR))


def _rise(metric: Metric, value: float) -> float:
    logs = [_log(one) for one in metric.reference]
    spread = max(MAD_TO_SIGMA * median_deviation(logs), LEAST_SPREAD)
    step = min((_log(value) - median(logs)) / spread, LARGEST_STEP)
    return min(CAP, max(0.0, metric.rise + step - SLACK))


def _drift(kind: Kind, metric: Metric) -> Drift | None:
    if metric.rise <= CUT or len(metric.recent) < LEAST_RECENT:
        return None
    now, before = median(metric.recent), max(median(metric.reference), FLOOR)
    if now < LEAST_RATIO * before:
        return None
    return Drift(kind, before, now, *_sure(metric.recent, metric.reference))


def level_shift(kind: Kind, metric: Metric) -> Drift | None:
    """Return the shift when the last 30 values were all flagged: a new normal."""
    if len(metric.pending) < RECENT or not all(metric.flags[-RECENT:]):
        return None
    before = max(median(metric.baseline), FLOOR)
    return Drift(kind, before, median(metric.pending), *_sure(metric.pending, metric.baseline))


def _sure(values: Sequence[float], before: Sequence[float]) -> tuple[float, int]:
    """Return how sure it is that the values are higher than those before, and how many were compared."""
    return confidence(superiority(values, before)), len(values) + len(before)


def settle(metric: Metric) -> Metric:
    """Return the state in which what was flagged is the new normal."""
    return Metric(baseline=metric.pending, reference=metric.pending)


def forgive(metric: Metric) -> Metric:
    """Return the state in which what was flagged was none: it enters the baseline, and the flags are cleared."""
    return msgspec.structs.replace(
        metric, baseline=(*metric.baseline, *metric.pending)[-BASELINE:], flags=(False,) * len(metric.flags), pending=()
    )
