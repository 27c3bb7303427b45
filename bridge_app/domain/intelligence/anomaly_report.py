"""What is published about spikes: the pattern `performance_anomaly` and its performance events (§3.1, §6)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from bridge_app.domain.intelligence.episode import Episode, Sighting
from bridge_app.domain.intelligence.measures import nearest_rank
from bridge_app.domain.intelligence.metric import CPU_PEAK, MEMORY_PEAK, STARTUP_TIME, Metric, Verdict
from bridge_app.domain.intelligence.reports import Insight, Report, episode_pattern
from bridge_app.domain.intelligence.series import Subject
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import ANOMALY_DETECTED, PERFORMANCE_ANOMALY, RECOVERED, Recommendation
from bridge_app.timestamps import format_us
from bridge_app.topics import INTELLIGENCE_PERFORMANCE

#: Cause and advice by what was flagged together with, or instead of, the time.
_CAUSES = {
    CPU_PEAK.name: ("cpu_saturation", "Give it more CPU, or find what it computes that it did not before"),
    MEMORY_PEAK.name: ("memory_pressure", "Look for a leak or an unusually large input; raise the memory limit"),
}
_SLOW_CALL = ("slow_dependency_or_input", "Compare this call's input and dependencies with an ordinary one")
_SLOW_START = ("slow_initialization_step", "Look at the slowest initialization step of this start")


def severity(ratio: float) -> str:
    """Return the severity of a value so many times its median."""
    return "low" if ratio < 2 else "medium" if ratio < 5 else "high" if ratio < 10 else "critical"


def sighting(subject: Subject, metrics: Mapping[str, Metric], flagged: Sequence[Verdict]) -> Sighting:
    """Return what one observation with flagged values shows; the surest of them is primary."""
    primary = max(flagged, key=lambda verdict: verdict.confidence)
    assert primary.limits is not None
    evidence = {
        "anomaly_type": primary.kind.anomaly_type,
        "series": subject.series,
        "explanation": _explanation(primary),
        "metrics_data": _metrics_data(primary, metrics[primary.kind.name]),
        "root_cause_analysis": _root_cause(flagged),
        "flagged": [_flagged(verdict) for verdict in flagged],
        "peak": {verdict.kind.name: verdict.value for verdict in flagged},
    }
    return Sighting(primary.confidence, severity(primary.ratio), evidence)


def anomaly_opened(environment: str, subject: Subject, episode: Episode) -> Iterator[Derived]:
    """Yield the events of an anomaly that was opened, for the first time or again."""
    yield anomaly_revised(environment, subject, episode)
    yield _performance(ANOMALY_DETECTED, subject, episode, _details(subject, episode), None)


def anomaly_revised(environment: str, subject: Subject, episode: Episode) -> Derived:
    """Return the event of a revision."""
    return _report(environment, subject, episode).discovered(episode.cause)


def anomaly_closed(
    environment: str, subject: Subject, episode: Episode, reason: str, deadline_us: int | None
) -> Iterator[Derived]:
    """Yield the events of an anomaly that was closed."""
    report = _report(environment, subject, episode)
    pattern = report.resolved(reason, episode.cause, time_us=deadline_us)
    yield pattern
    payload = {
        "anomaly_info": _details(subject, episode)["anomaly_info"],
        "resolution": pattern.payload["pattern_info"]["resolution"],
    }
    yield _performance(RECOVERED, subject, episode, payload, deadline_us)


def anomaly_dismissed(subject: Subject, episode: Episode, resolution: dict[str, Any], cause: Cause) -> Derived:
    """Return the performance event of an open anomaly that somebody has dismissed."""
    payload = {"anomaly_info": _details(subject, episode)["anomaly_info"], "resolution": resolution}
    return _performance(RECOVERED, subject, msgspec.structs.replace(episode, cause=cause), payload, None)


def _report(environment: str, subject: Subject, episode: Episode) -> Report:
    explanation = episode.evidence["explanation"]
    pattern = episode_pattern(
        PERFORMANCE_ANOMALY,
        environment,
        subject,
        episode,
        description=_description(subject, explanation),
        recommendations=tuple(
            Recommendation("investigate_" + cause["cause"], action["action"], action["priority"])
            for cause, action in zip(
                episode.evidence["root_cause_analysis"]["probable_causes"],
                episode.evidence["root_cause_analysis"]["recommended_actions"],
                strict=True,
            )
        ),
    )
    return Report(
        pattern=pattern,
        method=explanation["rule"],
        sources=subject.sources,
        window_start_us=episode.opened_us,
        window_end_us=episode.last_us,
        sample_size=explanation["sample_count"],
        risks=(Insight(episode.evidence["anomaly_type"], pattern.description),),
    )


def _performance(
    event_type: str, subject: Subject, episode: Episode, payload: dict[str, Any], time_us: int | None
) -> Derived:
    return Derived(
        topic=INTELLIGENCE_PERFORMANCE.name,
        event_type=event_type,
        key=subject.performance_key,
        payload=payload,
        cause=episode.cause,
        subject=episode.uuid,
        time_us=time_us,
    )


def _details(subject: Subject, episode: Episode) -> dict[str, Any]:
    return {
        "anomaly_info": {
            "anomaly_id": f"pattern_{episode.uuid}",
            "detection_time": format_us(episode.since_us),
            "anomaly_type": episode.evidence["anomaly_type"],
            "severity": episode.severity,
            "affected_services": list(subject.services),
            "affected_tools": list(subject.tools),
        },
        **{name: episode.evidence[name] for name in ("metrics_data", "root_cause_analysis", "explanation")},
    }


def _description(subject: Subject, explanation: dict[str, Any]) -> str:
    return (
        f"{subject.name}: {explanation['metric']} {explanation['observed']:.10g}, usual is "
        f"{explanation['expected']:.10g}, the limit is {explanation['upper_limit']:.10g}"
    )


def _explanation(verdict: Verdict) -> dict[str, Any]:
    assert verdict.limits is not None
    return {
        "metric": verdict.kind.name,
        "rule": verdict.limits.rule,
        "expected": verdict.limits.median,
        "upper_limit": round(verdict.limits.upper, 4),
        "observed": verdict.value,
        "modified_z": round(verdict.modified_z, 4),
        "sample_count": verdict.samples,
        "flagged_share": round(verdict.flagged_share, 4),
    }


def _flagged(verdict: Verdict) -> dict[str, Any]:
    assert verdict.limits is not None
    return {
        "metric": verdict.kind.name,
        "value": verdict.value,
        "upper_limit": round(verdict.limits.upper, 4),
        "ratio": round(verdict.ratio, 4),
        "confidence": verdict.confidence,
    }


def _metrics_data(primary: Verdict, metric: Metric) -> dict[str, Any]:
    is_time = primary.kind.name not in _CAUSES
    baseline = metric.baseline
    return {
        "baseline_metrics": _figures(sum(baseline) / len(baseline), nearest_rank(baseline, 95), known=is_time),
        "anomaly_metrics": _figures(primary.value, primary.value, known=is_time),
        "degradation_factor": round(primary.ratio, 4),
    }


def _figures(average: float, p95: float, *, known: bool) -> dict[str, Any]:
    return {
        "avg_response_time_ms": round(average, 4) if known else None,
        "p95_response_time_ms": p95 if known else None,
        "error_rate": None,
        "throughput_rps": None,
    }


def _root_cause(flagged: Sequence[Verdict]) -> dict[str, Any]:
    """Return what may be the cause: what else was out of the usual, else what depends on the call itself."""
    causes, actions = [], []
    by_confidence = sorted(flagged, key=lambda verdict: -verdict.confidence)
    resources = [verdict for verdict in by_confidence if verdict.kind.name in _CAUSES]
    for verdict in resources or by_confidence:
        cause, action = _CAUSES.get(verdict.kind.name) or (_SLOW_START if verdict.kind is STARTUP_TIME else _SLOW_CALL)
        evidence = f"{verdict.kind.name} is {verdict.ratio:.4g} times its median"
        causes.append({"cause": cause, "confidence": verdict.confidence, "evidence": evidence})
        priority = "high" if severity(verdict.ratio) in ("high", "critical") else "medium"
        actions.append(
            {"action": action, "priority": priority, "estimated_impact": f"back to {verdict.kind.name} as before"}
        )
    return {"probable_causes": causes, "recommended_actions": actions}
