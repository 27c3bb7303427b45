"""A pattern becomes an event on `intelligence.patterns` (intelligence §6)."""

from typing import Any

import msgspec

from bridge_app.domain.intelligence.episode import Episode
from bridge_app.domain.intelligence.series import Subject
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import LISTED, PATTERN_DISCOVERED, PATTERN_RESOLVED, Pattern, Recommendation
from bridge_app.timestamps import format_us
from bridge_app.topics import HOOKS_SERVICE_LIFECYCLE, INTELLIGENCE_PATTERNS


class Insight(msgspec.Struct, frozen=True):
    """Something worth doing, or worth worrying about."""

    type: str
    description: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A revision of a pattern and what the event says about it besides; the window is what was looked at."""

    pattern: Pattern
    method: str
    window_start_us: int
    window_end_us: int
    sample_size: int
    sources: tuple[str, ...] = (HOOKS_SERVICE_LIFECYCLE.name,)
    opportunities: tuple[Insight, ...] = ()
    risks: tuple[Insight, ...] = ()

    def discovered(self, cause: Cause, *, ordinal: int = 0, time_us: int | None = None) -> Derived:
        """Return the event of this revision; `ordinal` counts those of one cause, `time_us` is a deadline."""
        return self._event(PATTERN_DISCOVERED, self._info(), cause, ordinal, time_us)

    def resolved(self, reason: str, cause: Cause, *, time_us: int | None = None) -> Derived:
        """Return the event that closes the pattern, at `time_us` or at the time of the cause."""
        closed_us = cause.time_us if time_us is None else time_us
        duration = max(0, closed_us - self.pattern.discovered_us) / 1_000_000
        resolution = {"reason": reason, "duration_seconds": duration}
        return self._event(PATTERN_RESOLVED, {**self._info(), "resolution": resolution}, cause, 0, time_us)

    def _info(self) -> dict[str, Any]:
        info = self.pattern.as_dict()
        info["pattern_data"] = info.pop("evidence")
        info["discovery_method"] = self.method
        return info

    def _event(self, event_type: str, info: dict[str, Any], cause: Cause, ordinal: int, time_us: int | None) -> Derived:
        uuid = self.pattern.uuid
        payload = {
            "pattern_info": info,
            "analysis_context": {
                "analysis_window": {
                    "start_time": format_us(self.window_start_us),
                    "end_time": format_us(self.window_end_us),
                    "sample_size": self.sample_size,
                },
                "data_sources": list(self.sources),
            },
            "actionable_insights": {
                "optimization_opportunities": msgspec.to_builtins(self.opportunities),
                "risk_indicators": msgspec.to_builtins(self.risks),
            },
        }
        return Derived(
            topic=INTELLIGENCE_PATTERNS.name, event_type=event_type, key=uuid, payload=payload, cause=cause,
            subject=uuid, ordinal=ordinal, time_us=time_us,
        )  # fmt: skip


def episode_pattern(
    pattern_type: str,
    environment: str,
    subject: Subject,
    episode: Episode,
    *,
    description: str,
    recommendations: tuple[Recommendation, ...],
) -> Pattern:
    """Return the pattern of an episode, at its revision."""
    return Pattern(
        uuid=episode.uuid,
        pattern_type=pattern_type,
        confidence_score=episode.confidence,
        discovered_us=episode.opened_us,
        last_seen_us=episode.last_us,
        status="active" if episode.is_open else "resolved",
        severity=episode.severity,
        revision=episode.revision,
        occurrences=episode.occurrences,
        affected_services=subject.services,
        affected_services_total=len(subject.services),
        affected_tools=subject.tools,
        affected_tools_total=len(subject.tools),
        description=description,
        recommendations=recommendations,
        environment=environment,
        series=subject.series,
        evidence=episode.evidence,
    )


def listed(names: set[str]) -> tuple[str, ...]:
    """Return the names a pattern lists: sorted, at most 100."""
    return tuple(sorted(names)[:LISTED])


def ms(value: float) -> str:
    """Return a duration as a description has it."""
    return f"{value:.10g} ms"
