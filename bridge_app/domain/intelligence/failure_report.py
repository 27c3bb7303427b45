"""What is published about failures: the pattern `failure_pattern` (intelligence §3.3, §6)."""

from collections.abc import Sequence
from typing import Any

from bridge_app import ids
from bridge_app.domain.intelligence import episode as episodes
from bridge_app.domain.intelligence.episode import Episode, Sighting
from bridge_app.domain.intelligence.reports import Insight, Report, episode_pattern
from bridge_app.domain.intelligence.series import Subject
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import FAILURE_PATTERN, Recommendation

ERROR_RATE, RESTART_LOOP = "error_rate", "restart_loop"

_ADVICE = {
    ERROR_RATE: ("investigate_failures", "Look at the errors of the last executions, and at what was deployed before"),
    RESTART_LOOP: ("investigate_restarts", "Look at why the instance ends: exit codes, memory limits, failed probes"),
}


def failure_report(environment: str, subject: Subject, episode: Episode) -> Report:
    """Return the report of failures, at the episode's revision."""
    evidence = episode.evidence
    kind = evidence["kind"]
    advice, text = _ADVICE[kind]
    pattern = episode_pattern(
        FAILURE_PATTERN,
        environment,
        subject,
        episode,
        description=_description(subject, evidence),
        recommendations=(Recommendation(advice, text, "high"),),
    )
    return Report(
        pattern=pattern,
        method=evidence["method"],
        sources=subject.sources,
        window_start_us=episode.opened_us,
        window_end_us=episode.last_us,
        sample_size=evidence["sample_size"],
        risks=(Insight(kind, pattern.description),),
    )


def failure_shown(
    environment: str, subject: Subject, episode: Episode | None, sighting: Sighting, cause: Cause, cooldown_us: int
) -> tuple[Episode, Sequence[Derived]]:
    """Return the episode after a sighting of failures, and the pattern when a revision of it is to be published."""
    uuid = ids.pattern(FAILURE_PATTERN, environment, subject.series, cause.event_id)
    after, publish = episodes.shown(episode, sighting, cause, cooldown_us, uuid)
    return after, [failure_report(environment, subject, after).discovered(cause)] if publish else []


def _description(subject: Subject, evidence: dict[str, Any]) -> str:
    if evidence["kind"] == RESTART_LOOP:
        return (
            f"{subject.name}: instance {evidence['instance_id']} started {evidence['starts']} times within "
            f"{evidence['window_seconds']} s"
        )
    return (
        f"{subject.name}: {evidence['failure_rate']:.0%} of the last {evidence['sample_size']} executions failed, "
        f"{evidence['base_failure_rate']:.0%} did before"
    )
