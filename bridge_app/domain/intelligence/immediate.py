"""The first word on a hook, in its own answer (hooks §6): what this worker knows before the agents have theirs.

The patterns that count are those the agents publish. The id given here is theirs already; the confidence is what they
will find, exactly for a service's first start and nearly for later ones, since a view does not keep every start.
"""

from typing import Any

import msgspec

from bridge_app import ids
from bridge_app.domain.intelligence.lifecycle_observations import read_lifecycle
from bridge_app.domain.intelligence.measures import agrees, succession
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.domain.intelligence.start_detector import KEPT_STARTS
from bridge_app.domain.intelligence.start_report import description, recommendations
from bridge_app.domain.intelligence.start_state import pending_start
from bridge_app.events.envelope import Cause, Event
from bridge_app.events.intelligence import SERVICE_INITIALIZATION, Millis, Pattern


class _Evidence(msgspec.Struct):
    """What is read of the evidence of a service's pattern."""

    starts_seen: int
    startup_time_ms: Millis | None = None
    baseline_ms: Millis | None = None

    @property
    def typical_ms(self) -> float | None:
        return self.startup_time_ms if self.baseline_ms is None else self.baseline_ms


def analyse(event: Event, view: PatternView) -> dict[str, Any]:
    """Return `patterns_discovered` and `recommendations` for a hook: never empty for a start, empty for other hooks.

    Raises:
        PoisonRecord: a lifecycle event whose payload is unusable.
    """
    observation = read_lifecycle(event)
    if observation is None or observation.change != "started":
        return {"patterns_discovered": [], "recommendations": []}
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
