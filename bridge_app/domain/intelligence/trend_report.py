"""What is published about drifts and level shifts: the pattern `performance_trend` (intelligence §3.2, §6)."""

from collections.abc import Sequence
from typing import Any

from bridge_app import ids
from bridge_app.domain.intelligence.anomaly_report import severity
from bridge_app.domain.intelligence.episode import Sighting, opened
from bridge_app.domain.intelligence.metric import Drift
from bridge_app.domain.intelligence.reports import Insight, Report, episode_pattern
from bridge_app.domain.intelligence.series import Subject
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import PERFORMANCE_TREND, Recommendation

#: How each kind of trend is found.
TREND_METHODS = {"drift": "cusum", "level_shift": "level_shift"}


def trend_found(environment: str, subject: Subject, kind: str, drifts: Sequence[Drift], cause: Cause) -> Derived:
    """Return the event of a trend; of several metrics that moved at once the one that moved most speaks for all."""
    primary = max(drifts, key=lambda drift: drift.ratio)
    evidence = {
        "kind": kind,
        **_figures(primary),
        "metrics": [_figures(drift) for drift in drifts],
    }
    uuid = ids.pattern(PERFORMANCE_TREND, environment, subject.series, cause.event_id)
    episode = opened(uuid, Sighting(primary.confidence, severity(primary.ratio), evidence), cause)
    text = (
        f"{subject.name}: the median {primary.kind.name} rose from {primary.before:.10g} to {primary.now:.10g}, "
        f"{primary.ratio:.4g} times"
    )
    advice = "Compare what was deployed or changed when it began, and the load since then"
    pattern = episode_pattern(
        PERFORMANCE_TREND,
        environment,
        subject,
        episode,
        description=text,
        recommendations=(Recommendation("find_what_changed", advice, "medium"),),
    )
    return Report(
        pattern=pattern,
        method=TREND_METHODS[kind],
        sources=subject.sources,
        window_start_us=cause.time_us,
        window_end_us=cause.time_us,
        sample_size=primary.samples,
        risks=(Insight("degradation", text),),
    ).discovered(cause)


def _figures(drift: Drift) -> dict[str, Any]:
    return {
        "metric": drift.kind.name,
        "reference_median": drift.before,
        "recent_median": drift.now,
        "ratio": round(drift.ratio, 4),
        "confidence": drift.confidence,
    }
