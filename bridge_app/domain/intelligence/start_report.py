"""What is published about a start (§4.1): the pattern with its evidence, and the measurement."""

from typing import Any, Literal

import msgspec

from bridge_app import ids
from bridge_app.domain.intelligence.measures import ratio
from bridge_app.domain.intelligence.reports import Insight, Report, ms
from bridge_app.domain.intelligence.start_state import PendingStart, ServiceStarts, confidence
from bridge_app.events.envelope import Derived
from bridge_app.events.intelligence import (
    SERVICE_INITIALIZATION,
    STARTUP_MEASURED,
    Pattern,
    Recommendation,
    StepTime,
)
from bridge_app.topics import INTELLIGENCE_PERFORMANCE

#: A step that takes this share of the start is worth a recommendation.
DOMINANT_SHARE = 0.5

Phase = Literal["observed", "confirmed", "failed"]


def start_report(environment: str, service: str, state: ServiceStarts, start: PendingStart, phase: Phase) -> Report:
    """Return the report of a start in a phase, at the revision of the state."""
    dominant = _dominant(start)
    return Report(
        pattern=Pattern(
            uuid=ids.pattern(SERVICE_INITIALIZATION, environment, service),
            pattern_type=SERVICE_INITIALIZATION,
            confidence_score=confidence(state.kept),
            discovered_us=state.first_us,
            last_seen_us=state.last_us,
            severity="high" if phase == "failed" else None,
            phase=phase,
            revision=state.revision,
            occurrences=state.count,
            affected_services=(service,),
            affected_services_total=1,
            description=description(service, start, phase),
            recommendations=recommendations(start, phase),
            environment=environment,
            series=f"start|{service}",
            evidence=_evidence(service, state, start, phase),
        ),
        method="start_report",
        window_start_us=min(kept.time_us for kept in state.kept),
        window_end_us=state.last_us,
        sample_size=len(state.kept),
        opportunities=(Insight("slow_step", dominant),) if dominant else (),
        risks=_risks(start, phase),
    )


def description(service: str, start: PendingStart, phase: Phase) -> str:
    """Return the sentence about a start."""
    text = f"{service} {start.version}".rstrip() + (" failed to start" if phase == "failed" else " started")
    if start.startup_time_ms is not None:
        text += f" in {ms(start.startup_time_ms)}"
    if start.baseline_ms is not None:
        text += f", its median before is {ms(start.baseline_ms)}"
    return text


def recommendations(start: PendingStart, phase: Phase) -> tuple[Recommendation, ...]:
    """Return what to do about a start."""
    found = []
    if phase == "failed":
        text = f"Look into the logs of instance {start.instance_id}: it did not outlive its start"
        found.append(Recommendation("investigate_failed_start", text, "high"))
    if start.failed_steps:
        text = f"Repair the failed initialization steps: {', '.join(start.failed_steps)}"
        found.append(Recommendation("repair_initialization_step", text, "high"))
    if dominant := _dominant(start):
        found.append(Recommendation("optimize_initialization_step", f"Shorten the slowest step: {dominant}", "medium"))
    return tuple(found)


def _evidence(service: str, state: ServiceStarts, start: PendingStart, phase: Phase) -> dict[str, Any]:
    time_ms = start.startup_time_ms
    return {
        "service_name": service,
        "instance_id": start.instance_id,
        "version": start.version,
        "startup_time_ms": time_ms,
        "startup_time_source": start.startup_time_source,
        "steps": [msgspec.to_builtins(StepTime(*step)) for step in start.steps],
        "slowest_step": _slowest(start),
        "failed_steps": list(start.failed_steps),
        "baseline_ms": start.baseline_ms,
        "ratio": None if time_ms is None else ratio(time_ms, start.baseline_ms),
        "starts_seen": state.count,
        "phase": phase,
    }


def _slowest(start: PendingStart) -> dict[str, Any] | None:
    if start.slowest is None:
        return None
    step, duration_ms = start.slowest
    return {"step": step, "duration_ms": duration_ms, "share": ratio(duration_ms, start.startup_time_ms)}


def _dominant(start: PendingStart) -> str | None:
    slowest = _slowest(start)
    if slowest is None or slowest["share"] is None or slowest["share"] < DOMINANT_SHARE:
        return None
    return f"{slowest['step']} takes {ms(slowest['duration_ms'])}, {slowest['share']:.0%} of the start"


def _risks(start: PendingStart, phase: Phase) -> tuple[Insight, ...]:
    risks = []
    if phase == "failed":
        text = f"Instance {start.instance_id} went away or became unwell right after its start"
        risks.append(Insight("failed_start", text))
    if start.failed_steps:
        risks.append(Insight("failed_initialization_steps", ", ".join(start.failed_steps)))
    return tuple(risks)


def measured(service: str, start: PendingStart) -> Derived:
    """Return the `startup_measured` event of a timed start."""
    assert start.startup_time_ms is not None
    payload = {
        "service_name": service,
        "instance_id": start.instance_id,
        "startup_time_ms": start.startup_time_ms,
        "startup_time_source": start.startup_time_source,
        "baseline_ms": start.baseline_ms,
        "ratio": ratio(start.startup_time_ms, start.baseline_ms),
    }
    return Derived(
        topic=INTELLIGENCE_PERFORMANCE.name,
        event_type=STARTUP_MEASURED,
        key=service,
        payload=payload,
        cause=start.cause,
    )
