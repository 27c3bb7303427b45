"""The first word on a hook, in its own answer (hooks §6): what this worker knows before the agents have theirs.

The patterns that count are those the agents publish. The id given here is theirs already; the confidence is what they
will find, exactly for a service's first start and nearly for later ones, since a view does not keep every start.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from bridge_app import ids
from bridge_app.domain.intelligence.baselines import BaselineView
from bridge_app.domain.intelligence.execution_detector import values_of
from bridge_app.domain.intelligence.execution_observations import observe_execution
from bridge_app.domain.intelligence.lifecycle_observations import read_lifecycle
from bridge_app.domain.intelligence.measures import agrees, succession
from bridge_app.domain.intelligence.metric import STARTUP_TIME, Kind, spike_confidence
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.domain.intelligence.start_detector import KEPT_STARTS
from bridge_app.domain.intelligence.start_report import description, recommendations
from bridge_app.domain.intelligence.start_state import pending_start
from bridge_app.events.envelope import Cause, Event
from bridge_app.events.intelligence import (
    PERFORMANCE_ANOMALY,
    SERVICE_INITIALIZATION,
    ExecutionObservation,
    LifecycleObservation,
    Millis,
    Pattern,
)


class _Evidence(msgspec.Struct):
    """What is read of the evidence of a service's pattern."""

    starts_seen: int
    startup_time_ms: Millis | None = None
    baseline_ms: Millis | None = None

    @property
    def typical_ms(self) -> float | None:
        return self.startup_time_ms if self.baseline_ms is None else self.baseline_ms


class Views(NamedTuple):
    """What a worker knows of the agents' work."""

    patterns: PatternView
    baselines: BaselineView


def analyse(event: Event, views: Views) -> dict[str, Any]:
    """Return `patterns_discovered` and `recommendations` for a hook.

    Never empty for a start; an anomaly besides, or for an execution, when a value reaches the limit of its series.

    Raises:
        PoisonRecord: an event of services or tools whose payload is unusable.
    """
    found: dict[str, Any] = {"patterns_discovered": [], "recommendations": []}
    start = read_lifecycle(event)
    if start is not None and start.change == "started":
        found = _start(event, start, views.patterns)
        if start.startup_time_ms is not None:
            values = {STARTUP_TIME: start.startup_time_ms}
            found["patterns_discovered"] += _anomalies(f"start|{start.service}", start.service, values, views.baselines)
    for series, observation in observe_execution(event):
        if isinstance(observation, ExecutionObservation) and observation.outcome == "success":
            found["patterns_discovered"] += _anomalies(
                series, observation.tool, values_of(observation), views.baselines
            )
    return found


def _start(event: Event, observation: LifecycleObservation, view: PatternView) -> dict[str, Any]:
    uuid = ids.pattern(SERVICE_INITIALIZATION, event.environment, observation.service)
    known = view.find(uuid)
    evidence = _evidence(known.pattern) if known else None
    start = pending_start(observation, Cause.of(event), event.time_us, evidence.typical_ms if evidence else None)
    confidence = succession(1, 1)
    if known is not None and evidence is not None:
        confidence = _next_confidence(known.pattern.confidence_score, evidence, observation.startup_time_ms)
    pattern = {
        "pattern_type": SERVICE_INITIALIZATION,
        "confidence": confidence,
        "description": description(observation.service, start, "observed"),
        "pattern_id": f"pattern_{uuid}",
    }
    return {
        "patterns_discovered": [pattern],
        "recommendations": [msgspec.to_builtins(one) for one in recommendations(start, "observed")],
    }


def _anomalies(series: str, name: str, values: Mapping[Kind, float], view: BaselineView) -> list[dict[str, Any]]:
    """Return the anomaly that the values are, as far as this worker knows; the surest metric speaks for all."""
    flagged = []
    for kind, value in values.items():
        usual = view.metric(series, kind.name)
        if usual is None or usual.upper_limit is None or usual.unlikely is None or value < usual.upper_limit:
            continue
        confidence = spike_confidence(usual.flagged, usual.judged, usual.unlikely, value)
        text = f"{name}: {kind.name} {value:.10g}, the limit is {usual.upper_limit:.10g}"
        flagged.append((confidence, text))
    if not flagged:
        return []
    confidence, text = max(flagged)
    anomaly = {"pattern_type": PERFORMANCE_ANOMALY, "confidence": confidence, "description": text, "pattern_id": None}
    return [anomaly]


def _evidence(pattern: Pattern) -> _Evidence | None:
    try:
        return msgspec.convert(pattern.evidence, _Evidence)
    except msgspec.ValidationError:  # another producer's pattern under our id
        return None


def _next_confidence(confidence: float, evidence: _Evidence, time_ms: float | None) -> float:
    """Return the confidence after one more start: of the last ones the same share agrees, and this one if it does."""
    starts = max(1, min(evidence.starts_seen, KEPT_STARTS))
    agreed = round(confidence * (starts + 2)) - 1
    after = min(starts + 1, KEPT_STARTS)
    typical_ms = evidence.typical_ms
    agreeing = time_ms is None or typical_ms is None or agrees(time_ms, typical_ms)
    return succession(round(agreed * (after - 1) / starts) + agreeing, after)
