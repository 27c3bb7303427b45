"""How the outcomes of a series become one episode of failures (intelligence §3.3, §5)."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from bridge_app.domain.intelligence import episode as episodes
from bridge_app.domain.intelligence.episode import Episode, Sighting
from bridge_app.domain.intelligence.failure_report import ERROR_RATE, failure_report, failure_shown
from bridge_app.domain.intelligence.failures import Alarm, Outcomes, alarm, is_over, severity, take
from bridge_app.domain.intelligence.series import FORGOTTEN, Subject
from bridge_app.domain.intelligence.watch import IDLE, IDLE_US, RECOVERED
from bridge_app.events.envelope import Cause, Derived


class FailureWatch(msgspec.Struct, array_like=True, frozen=True):
    """The outcomes of a series, its last episode of failures, and when its last outcome came."""

    outcomes: Outcomes = Outcomes()
    episode: Episode | None = None
    last_us: int = 0

    @property
    def is_open(self) -> bool:
        return self.episode is not None and self.episode.is_open


class FailureWatcher(NamedTuple):
    """Watches outcomes; `threshold` is the least confidence of what is published."""

    environment: str
    threshold: float
    cooldown_us: int

    def take(
        self, subject: Subject, watch: FailureWatch, failed: bool, cause: Cause
    ) -> tuple[FailureWatch, Sequence[Derived]]:
        """Take one outcome into account; alarms are raised by failures only."""
        outcomes = take(watch.outcomes, failed, frozen=watch.is_open)
        watch = FailureWatch(outcomes, watch.episode, max(watch.last_us, cause.time_us))
        if watch.episode is not None and watch.is_open and is_over(outcomes):
            return self._close(subject, watch, msgspec.structs.replace(watch.episode, cause=cause), RECOVERED, None)
        found = alarm(outcomes, self.threshold) if failed else None
        return (watch, ()) if found is None else self._raise(subject, watch, found, cause)

    def due(self, watch: FailureWatch) -> int | None:
        """Return when silence ends the episode, None when there is none."""
        return watch.last_us + IDLE_US if watch.is_open else None

    def elapse(self, subject: Subject, watch: FailureWatch, now_us: int) -> tuple[FailureWatch, Sequence[Derived]]:
        """End the episode when its deadline has come."""
        due = self.due(watch)
        if due is None or due > now_us or watch.episode is None:
            return watch, ()
        return self._close(subject, watch, watch.episode, IDLE, due)

    def drop(self, subject: Subject, watch: FailureWatch, now_us: int) -> Sequence[Derived]:
        """Return what is published when the series is dropped: its episode ends."""
        if watch.episode is None or not watch.is_open:
            return ()
        return self._close(subject, watch, watch.episode, FORGOTTEN, now_us)[1]

    def _raise(
        self, subject: Subject, watch: FailureWatch, found: Alarm, cause: Cause
    ) -> tuple[FailureWatch, Sequence[Derived]]:
        sighting = _sighting(watch.outcomes, found)
        episode, derived = failure_shown(self.environment, subject, watch.episode, sighting, cause, self.cooldown_us)
        return msgspec.structs.replace(watch, episode=episode), derived

    def _close(
        self, subject: Subject, watch: FailureWatch, episode: Episode, reason: str, deadline_us: int | None
    ) -> tuple[FailureWatch, Sequence[Derived]]:
        closed = episodes.closed(episode, episode.cause.time_us if deadline_us is None else deadline_us)
        event = failure_report(self.environment, subject, closed).resolved(reason, closed.cause, time_us=deadline_us)
        return msgspec.structs.replace(watch, episode=closed), [event]


def _sighting(outcomes: Outcomes, found: Alarm) -> Sighting:
    evidence = {
        "kind": ERROR_RATE,
        "method": found.method,
        "failure_rate": round(found.rate, 4),
        "base_failure_rate": round(found.base_rate, 4),
        "failures": sum(outcomes.recent),
        "sample_size": len(outcomes.recent),
        "base_size": outcomes.base,
    }
    return Sighting(found.confidence, severity(found.rate), evidence)
