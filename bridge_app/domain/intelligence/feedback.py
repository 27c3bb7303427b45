"""Somebody says what a pattern is worth (intelligence §8).

A false positive is dismissed by the owner of its series. Where the series still has it as its current episode, that is
forgotten, so that it cannot come back, and what was out of the usual is usual from now on. Any other pattern is
dismissed by an event made of what is known of it. A confirmation changes nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from bridge_app import ids
from bridge_app.domain.intelligence.anomaly_report import anomaly_dismissed
from bridge_app.domain.intelligence.cohort_state import Cohort
from bridge_app.domain.intelligence.episode import Episode
from bridge_app.domain.intelligence.execution_detector import Executions, Proxied
from bridge_app.domain.intelligence.execution_detector import subject_of as executions_subject
from bridge_app.domain.intelligence.failure_watch import FailureWatch
from bridge_app.domain.intelligence.failures import forgive as forgive_outcomes
from bridge_app.domain.intelligence.link_detector import Link
from bridge_app.domain.intelligence.metric import forgive
from bridge_app.domain.intelligence.reports import Report
from bridge_app.domain.intelligence.restart_watch import RestartWatch
from bridge_app.domain.intelligence.sequence_detector import Session, Successors
from bridge_app.domain.intelligence.series import Subject
from bridge_app.domain.intelligence.start_detector import subject_of as starts_subject
from bridge_app.domain.intelligence.start_state import ServiceStarts
from bridge_app.domain.intelligence.trend_report import TREND_METHODS
from bridge_app.domain.intelligence.watch import Watch
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import (
    SERVICE_COMMUNICATION,
    SERVICE_INITIALIZATION,
    STARTUP_PERFORMANCE,
    TOOL_SEQUENCE,
    Feedback,
    Pattern,
    read_info,
)
from bridge_app.topics import INTELLIGENCE_PATTERNS

State: TypeAlias = ServiceStarts | Cohort | Executions | Proxied | Link | Session | Successors

FALSE_POSITIVE = "false_positive"
DISMISSED = "dismissed"
#: How the patterns were found that know of one way only; the others say it in their evidence.
METHODS = {
    SERVICE_INITIALIZATION: "start_report",
    STARTUP_PERFORMANCE: "cohort",
    SERVICE_COMMUNICATION: "link_count",
    TOOL_SEQUENCE: "successor_bound",
}


class Dismissal(NamedTuple):
    """A state without a pattern of its own: that pattern's next revision, and the anomaly that was open."""

    state: State
    revision: int
    open_anomaly: tuple[Subject, Episode] | None = None


def heed(
    environment: str, key: str, state: State | None, feedback: Feedback, cause: Cause
) -> tuple[State | None, Sequence[Derived]]:
    """Apply a verdict about a pattern of a series; None as state stays None."""
    if feedback.verdict != FALSE_POSITIVE:
        return state, ()
    known = read_info(
        feedback.pattern, uuid=feedback.uuid, status="active", time_us=cause.time_us, environment=environment
    )
    if known is None or known.status == DISMISSED:
        return state, ()
    found = None if state is None else _dismiss(environment, key, state, feedback.uuid, cause)
    if found is None:
        return state, [_report(known, known.revision + 1).resolved(FALSE_POSITIVE, cause)]
    event = _report(known, max(found.revision, known.revision + 1)).resolved(FALSE_POSITIVE, cause)
    if found.open_anomaly is None:
        return found.state, [event]
    subject, episode = found.open_anomaly
    resolution = event.payload["pattern_info"]["resolution"]
    return found.state, [event, anomaly_dismissed(subject, episode, resolution, cause)]


def _report(known: Pattern, revision: int) -> Report:
    return Report(
        pattern=msgspec.structs.replace(known, status=DISMISSED, revision=revision),
        method=_method(known),
        sources=(INTELLIGENCE_PATTERNS.name,),
        window_start_us=known.discovered_us,
        window_end_us=known.last_seen_us,
        sample_size=known.occurrences,
    )


def _method(known: Pattern) -> str:
    """Return how a pattern was found; those of other producers may not say."""
    evidence = known.evidence
    explanation = evidence.get("explanation")
    rule = explanation.get("rule") if isinstance(explanation, dict) else None
    found = METHODS.get(known.pattern_type) or evidence.get("method") or rule
    return str(found or TREND_METHODS.get(str(evidence.get("kind"))) or "unknown")


def _dismiss(environment: str, key: str, state: State, uuid: str, cause: Cause) -> Dismissal | None:
    """Return what is left of a state whose current pattern is a false one; None when it has no such pattern."""
    if isinstance(state, Executions):
        return _from_executions(state, uuid, cause)
    if isinstance(state, ServiceStarts):
        return _from_starts(environment, key.partition("|")[2], state, uuid, cause)
    if isinstance(state, Cohort) and state.episode is not None and state.episode.uuid == uuid:
        return Dismissal(msgspec.structs.replace(state, episode=None), state.episode.revision + 1)
    if isinstance(state, Link) and uuid == ids.pattern(SERVICE_COMMUNICATION, environment, key):
        return Dismissal(msgspec.structs.replace(state, revision=state.revision + 1), state.revision + 1)
    if isinstance(state, Successors):
        return _from_successors(environment, key, state, uuid)
    return None


def _from_executions(state: Executions, uuid: str, cause: Cause) -> Dismissal | None:
    if (episode := _current(state.watch, uuid)) is not None:
        figures = msgspec.structs.replace(state.figures, untold=True, cause=cause)
        left = msgspec.structs.replace(state, watch=_forgiven(state.watch), figures=figures)
        return _of_anomaly(left, executions_subject(state), episode)
    if (episode := _current(state.failures, uuid)) is not None:
        failures = FailureWatch(forgive_outcomes(state.failures.outcomes), None, state.failures.last_us)
        return Dismissal(msgspec.structs.replace(state, failures=failures), episode.revision + 1)
    return None


def _from_starts(environment: str, service: str, state: ServiceStarts, uuid: str, cause: Cause) -> Dismissal | None:
    if uuid == ids.pattern(SERVICE_INITIALIZATION, environment, service):
        return Dismissal(msgspec.structs.replace(state, revision=state.revision + 1), state.revision + 1)
    if (episode := _current(state.watch, uuid)) is not None:
        figures = msgspec.structs.replace(state.figures, untold=True, cause=cause)
        left = msgspec.structs.replace(state, watch=_forgiven(state.watch), figures=figures)
        return _of_anomaly(left, starts_subject(service), episode)
    if (episode := _current(state.restarts, uuid)) is not None:
        return Dismissal(msgspec.structs.replace(state, restarts=RestartWatch()), episode.revision + 1)
    return None


def _from_successors(environment: str, key: str, state: Successors, uuid: str) -> Dismissal | None:
    for name, successor in state.tools.items():
        if uuid == ids.pattern(TOOL_SEQUENCE, environment, key, name):
            after = msgspec.structs.replace(successor, revision=successor.revision + 1)
            return Dismissal(msgspec.structs.replace(state, tools={**state.tools, name: after}), after.revision)
    return None


def _of_anomaly(left: State, subject: Subject, episode: Episode) -> Dismissal:
    return Dismissal(left, episode.revision + 1, (subject, episode) if episode.is_open else None)


def _current(watch: Watch | FailureWatch | RestartWatch, uuid: str) -> Episode | None:
    return watch.episode if watch.episode is not None and watch.episode.uuid == uuid else None


def _forgiven(watch: Watch) -> Watch:
    return Watch({name: forgive(metric) for name, metric in watch.metrics.items()}, None, watch.last_us)
