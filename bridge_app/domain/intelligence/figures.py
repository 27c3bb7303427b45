"""What a series tells of itself from time to time: its baseline for every worker, and a summary (intelligence §1, §6).

A baseline is sent at most once a second, a summary at most once a minute; what came in between is told at the end of
that time.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

import msgspec

from bridge_app.domain.intelligence.failures import Outcomes
from bridge_app.domain.intelligence.measures import median_deviation, nearest_rank
from bridge_app.domain.intelligence.metric import EXECUTION_TIME, KINDS, Metric, limits_of
from bridge_app.domain.intelligence.series import Subject
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import BASELINE, SUMMARY, MetricBaseline, SeriesBaseline
from bridge_app.topics import INTELLIGENCE_BASELINES, INTELLIGENCE_PERFORMANCE

BASELINE_US = 1_000_000
SUMMARY_US = 60 * 1_000_000
#: Values of a minute that the quantiles of a summary are made of, the last ones.
VALUES = 100


class Figures(msgspec.Struct, array_like=True, frozen=True):
    """What there is to tell. `told_us` is when the last baseline was, `untold` whether there is news since;
    `since_us` is when the summary began, None when there is nothing to sum up; `cause` is the last observation.
    """

    told_us: int = 0
    untold: bool = False
    since_us: int | None = None
    count: int = 0
    failures: int = 0
    values: tuple[float, ...] = ()
    cause: Cause | None = None
    largest: float | None = None


class Known(NamedTuple):
    """What the rest of the state of a series knows."""

    subject: Subject
    metrics: Mapping[str, Metric]
    outcomes: Outcomes | None
    #: The metric whose values a summary sums up.
    summed: str


def noted(figures: Figures, value: float | None, failed: bool, cause: Cause) -> Figures:
    """Return the figures after an observation."""
    return msgspec.structs.replace(
        figures,
        untold=True,
        since_us=cause.time_us if figures.since_us is None else figures.since_us,
        count=figures.count + 1,
        failures=figures.failures + failed,
        values=figures.values if value is None else (*figures.values, value)[-VALUES:],
        cause=cause,
        largest=_larger(figures.largest, value),
    )


def _larger(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)


def due(figures: Figures) -> int | None:
    """Return when there is something to tell."""
    deadlines = []
    if figures.untold:
        deadlines.append(figures.told_us + BASELINE_US)
    if figures.since_us is not None:
        deadlines.append(figures.since_us + SUMMARY_US)
    return min(deadlines, default=None)


def told(figures: Figures, known: Known, now_us: int) -> tuple[Figures, Sequence[Derived]]:
    """Tell what is due by now."""
    derived: list[Derived] = []
    cause = figures.cause
    if cause is None:
        return figures, ()
    if figures.untold and (at_us := figures.told_us + BASELINE_US) <= now_us:
        derived.append(_baseline(known, cause, at_us))
        figures = msgspec.structs.replace(figures, untold=False, told_us=max(at_us, cause.time_us))
    if figures.since_us is not None and (at_us := figures.since_us + SUMMARY_US) <= now_us:
        derived.append(_summary(figures, known, cause, at_us))
        figures = msgspec.structs.replace(figures, since_us=None, count=0, failures=0, values=(), largest=None)
    return figures, derived


def last_told(figures: Figures, known: Known) -> Sequence[Derived]:
    """Return what a series that is dropped tells: the summary that is due some time, and that it has no baseline."""
    if figures.cause is None:
        return ()
    summary = (
        [] if figures.since_us is None else [_summary(figures, known, figures.cause, figures.since_us + SUMMARY_US)]
    )
    return [*summary, _no_baseline(known.subject, figures.cause)]


def _no_baseline(subject: Subject, cause: Cause) -> Derived:
    return Derived(
        topic=INTELLIGENCE_BASELINES.name,
        event_type=BASELINE,
        key=subject.series,
        payload={},
        cause=cause,
        subject=subject.series,
        is_tombstone=True,
    )


def _baseline(known: Known, cause: Cause, at_us: int) -> Derived:
    execution = known.metrics.get(EXECUTION_TIME.name)
    snapshot = SeriesBaseline(
        series=known.subject.series,
        services=known.subject.services,
        tools=known.subject.tools,
        last_seen_us=cause.time_us,
        metrics=tuple(_metric(name, metric) for name, metric in sorted(known.metrics.items())),
        avg_execution_time_ms=_mean(execution.baseline) if execution else None,
        success_rate=_success_rate(known.outcomes),
    )
    return Derived(
        topic=INTELLIGENCE_BASELINES.name,
        event_type=BASELINE,
        key=known.subject.series,
        payload=msgspec.to_builtins(snapshot),
        cause=cause,
        subject=known.subject.series,
        time_us=max(at_us, cause.time_us),
    )


def _metric(name: str, metric: Metric) -> MetricBaseline:
    values = metric.baseline
    limits = limits_of(KINDS[name], values)
    return MetricBaseline(
        metric=name,
        samples=len(values),
        median=median(values) if values else None,
        mad=median_deviation(values) if values else None,
        max=max(values, default=None),
        upper_limit=limits.upper if limits else None,
        unlikely=limits.unlikely if limits else None,
        flagged=sum(metric.flags),
        judged=len(metric.flags),
    )


def _mean(values: Sequence[float]) -> float | None:
    """Return the mean; None without values, and where their sum is beyond what a float holds."""
    mean = sum(values) / len(values) if values else math.inf
    return round(mean, 4) if math.isfinite(mean) else None


def _success_rate(outcomes: Outcomes | None) -> float | None:
    if outcomes is None or not (of := len(outcomes.recent) + outcomes.base):
        return None
    return round(1 - (sum(outcomes.recent) + outcomes.base_failures) / of, 4)


def _summary(figures: Figures, known: Known, cause: Cause, at_us: int) -> Derived:
    values = figures.values
    metric = known.metrics.get(known.summed)
    limits = limits_of(KINDS[known.summed], metric.baseline) if metric else None
    payload = {
        "series": known.subject.series,
        "metric": known.summed,
        "count": figures.count,
        "failures": figures.failures,
        "p50": median(values) if values else None,
        "p95": nearest_rank(values, 95) if values else None,
        "max": figures.largest,
        "upper_limit": limits.upper if limits else None,
    }
    return Derived(
        topic=INTELLIGENCE_PERFORMANCE.name,
        event_type=SUMMARY,
        key=known.subject.performance_key,
        payload=payload,
        cause=cause,
        subject=known.subject.series,
        time_us=at_us,
    )
