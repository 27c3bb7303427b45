"""What is published about a cohort (§4.2)."""

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Any

from bridge_app.domain.intelligence.cohort_state import Episode
from bridge_app.domain.intelligence.grouping import Group, TimedStart
from bridge_app.domain.intelligence.measures import median_deviation, nearest_rank, trend
from bridge_app.domain.intelligence.reports import Insight, Report, listed, ms
from bridge_app.events.intelligence import STARTUP_PERFORMANCE, Pattern, Recommendation

SLOWEST_STEPS = 10
#: Microseconds in a second.
SECOND = 1_000_000


def cohort_report(environment: str, window_us: int, group: Group, episode: Episode, status: str = "active") -> Report:
    """Return the report of the group of an episode, at the episode's revision."""
    evidence = _evidence(window_us, group)
    services = {start.service for start in group.members}
    slow = [start for start in group.others if start.startup_time_ms > evidence["max_ms"]]
    return Report(
        pattern=Pattern(
            uuid=episode.uuid,
            pattern_type=STARTUP_PERFORMANCE,
            confidence_score=group.confidence,
            discovered_us=episode.opened_us,
            last_seen_us=episode.last_us,
            status=status,
            revision=episode.revision,
            occurrences=episode.occurrences,
            affected_services=listed(services),
            affected_services_total=len(services),
            description=_description(evidence, len(services)),
            recommendations=_recommendations(evidence["trend"], slow),
            environment=environment,
            series=f"cohort|{environment}",
            evidence=evidence,
        ),
        method="cohort",
        window_start_us=episode.changed_us - window_us,
        window_end_us=episode.changed_us,
        sample_size=len(group.members) + len(group.others),
        opportunities=_opportunities(evidence),
        risks=_risks(evidence["trend"], slow),
    )


def _evidence(window_us: int, group: Group) -> dict[str, Any]:
    times = [start.startup_time_ms for start in group.members]
    direction, p = trend(times)
    others = sorted(group.others, key=lambda start: start.service)
    return {
        "window_seconds": window_us / SECOND if window_us % SECOND else window_us // SECOND,
        "services": len(group.members) + len(group.others),
        "median_ms": median(times),
        "p95_ms": nearest_rank(times, 95),
        "min_ms": min(times),
        "max_ms": max(times),
        "mad_ms": median_deviation(times),
        "outliers": [{"service": start.service, "startup_time_ms": start.startup_time_ms} for start in others],
        "steps": _slowest_steps(group.members),
        "trend": direction,
        "trend_p": p,
    }


def _slowest_steps(starts: Iterable[TimedStart]) -> list[dict[str, Any]]:
    durations: dict[str, list[float]] = defaultdict(list)
    for start in starts:
        for step, longest in _longest(start).items():
            durations[step].append(longest)
    slowest = sorted((-median(values), step) for step, values in durations.items())[:SLOWEST_STEPS]
    return [
        {"step": step, "median_ms": median(durations[step]), "services": len(durations[step])} for _, step in slowest
    ]


def _longest(start: TimedStart) -> dict[str, float]:
    """Return the longest duration of each step: a step may occur several times in a start."""
    found: dict[str, float] = {}
    for step, duration_ms in start.steps:
        found[step] = max(duration_ms, found.get(step, 0))
    return found


def _description(evidence: dict[str, Any], services: int) -> str:
    text = (
        f"{services} of {evidence['services']} services that started within {evidence['window_seconds']} s "
        f"took about {ms(evidence['median_ms'])}"
    )
    return text if evidence["trend"] == "none" else f"{text}, {evidence['trend']} from start to start"


def _recommendations(direction: str, slow: list[TimedStart]) -> tuple[Recommendation, ...]:
    found = []
    if direction == "rising":
        text = "Stagger the starts or look for a shared resource: each start takes longer than the one before"
        found.append(Recommendation("stagger_starts", text, "medium"))
    if slow:
        names = ", ".join(listed({start.service for start in slow}))
        found.append(Recommendation("investigate_slow_start", f"Find out why these start slower: {names}", "medium"))
    return tuple(found)


def _opportunities(evidence: dict[str, Any]) -> tuple[Insight, ...]:
    shared = [step for step in evidence["steps"] if step["services"] > 1]
    if not shared:
        return ()
    step = shared[0]
    text = f"{step['step']} takes {ms(step['median_ms'])} in {step['services']} services"
    return (Insight("shared_slow_step", text),)


def _risks(direction: str, slow: list[TimedStart]) -> tuple[Insight, ...]:
    risks = []
    if direction == "rising":
        risks.append(Insight("rising_start_times", "Start times rise from start to start"))
    if slow:
        names = ", ".join(listed({start.service for start in slow}))
        risks.append(Insight("slow_starts", f"Slower than the group: {names}"))
    return tuple(risks)
