"""Spikes, drifts and level shifts of the metrics of one series (intelligence §3.1, §3.2, §5).

`Watch` is the part of a series' state that knows its metrics and the one open anomaly; executions, proxied calls and
starts each have one.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from bridge_app import ids
from bridge_app.domain.intelligence import episode as episodes
from bridge_app.domain.intelligence.anomaly_report import anomaly_closed, anomaly_opened, anomaly_revised, sighting
from bridge_app.domain.intelligence.episode import Episode
from bridge_app.domain.intelligence.metric import Drift, Kind, Metric, Verdict, enter, judge, level_shift, settle
from bridge_app.domain.intelligence.series import FORGOTTEN, Subject
from bridge_app.domain.intelligence.trend_report import trend_found
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import PERFORMANCE_ANOMALY

#: Calm observations in a row that end an anomaly.
CALM = 3
IDLE_US = 30 * 60 * 1_000_000
NEW_NORMAL_US = 15 * 60 * 1_000_000

RECOVERED, IDLE, NEW_NORMAL = "recovered", "idle", "new_normal"


class Watch(msgspec.Struct, array_like=True, frozen=True):
    """The metrics of a series by name, its last anomaly, and when its last value came."""

    metrics: dict[str, Metric] = msgspec.field(default_factory=dict)
    episode: Episode | None = None
    last_us: int = 0


class Applied(NamedTuple):
    """The watch after an observation, what was found out of the usual, and what is published for it."""

    watch: Watch
    flagged: Sequence[Verdict]
    derived: Sequence[Derived]


class Watcher(NamedTuple):
    """Watches series; `threshold` is the least confidence of what is published."""

    environment: str
    threshold: float
    cooldown_us: int

    def take(self, subject: Subject, watch: Watch, values: Mapping[Kind, float], cause: Cause) -> Applied:
        """Judge the values of one observation and let them enter the state; no values change nothing."""
        if not values:
            return Applied(watch, (), ())
        verdicts = [judge(kind, watch.metrics.get(kind.name, Metric()), value) for kind, value in values.items()]
        metrics, drifts = dict(watch.metrics), []
        for verdict in verdicts:
            name = verdict.kind.name
            metrics[name], drift = enter(metrics.get(name, Metric()), verdict, self.threshold)
            drifts += [drift] if drift else []
        derived = [trend_found(self.environment, subject, "drift", drifts, cause)] if drifts else []
        after = Watch(metrics, watch.episode, max(watch.last_us, cause.time_us))
        flagged = [verdict for verdict in verdicts if verdict.is_flagged]
        if flagged:
            after, found = self._spike(subject, after, flagged, cause)
        else:
            after, found = self._quiet(subject, after, all(verdict.is_calm for verdict in verdicts), cause)
        return Applied(after, flagged, [*derived, *found])

    def due(self, watch: Watch) -> int | None:
        """Return when silence ends the anomaly, None when there is none."""
        return watch.last_us + IDLE_US if watch.episode is not None and watch.episode.is_open else None

    def elapse(self, subject: Subject, watch: Watch, now_us: int) -> tuple[Watch, Sequence[Derived]]:
        """End the anomaly when its deadline has come."""
        due = self.due(watch)
        if due is None or due > now_us or watch.episode is None:
            return watch, ()
        return self._close(subject, watch, watch.episode, IDLE, due)

    def drop(self, subject: Subject, watch: Watch, now_us: int) -> Sequence[Derived]:
        """Return what is published when the series is dropped: its anomaly ends."""
        if watch.episode is None or not watch.episode.is_open:
            return ()
        return self._close(subject, watch, watch.episode, FORGOTTEN, now_us)[1]

    def _spike(
        self, subject: Subject, watch: Watch, flagged: Sequence[Verdict], cause: Cause
    ) -> tuple[Watch, list[Derived]]:
        found = sighting(subject, watch.metrics, flagged)
        episode = watch.episode
        if episode is not None and episode.is_open:
            episode, publish = episodes.further(episode, found, cause, self.cooldown_us)
            watch = msgspec.structs.replace(watch, episode=episode)
            derived = [anomaly_revised(self.environment, subject, episode)] if publish else []
            return self._shift(subject, watch, episode, flagged, cause, derived)
        if found.confidence < self.threshold:
            return watch, []
        uuid = ids.pattern(PERFORMANCE_ANOMALY, self.environment, subject.series, cause.event_id)
        episode, _ = episodes.shown(episode, found, cause, self.cooldown_us, uuid)
        watch = msgspec.structs.replace(watch, episode=episode)
        return watch, list(anomaly_opened(self.environment, subject, episode))

    def _shift(
        self,
        subject: Subject,
        watch: Watch,
        episode: Episode,
        flagged: Sequence[Verdict],
        cause: Cause,
        derived: list[Derived],
    ) -> tuple[Watch, list[Derived]]:
        """Make what has been flagged for long the new normal."""
        if cause.time_us - episode.since_us < NEW_NORMAL_US:
            return watch, derived
        shifts: list[Drift] = []
        for kind in (verdict.kind for verdict in flagged):
            shift = level_shift(kind, watch.metrics[kind.name])
            shifts += [shift] if shift is not None and shift.confidence >= self.threshold else []
        if not shifts:
            return watch, derived
        settled = {shift.kind.name: settle(watch.metrics[shift.kind.name]) for shift in shifts}
        watch = msgspec.structs.replace(watch, metrics={**watch.metrics, **settled})
        trend = trend_found(self.environment, subject, "level_shift", shifts, cause)
        watch, closing = self._close(subject, watch, episode, NEW_NORMAL, None)
        return watch, [*derived, trend, *closing]

    def _quiet(self, subject: Subject, watch: Watch, calm: bool, cause: Cause) -> tuple[Watch, list[Derived]]:
        if watch.episode is None or not watch.episode.is_open:
            return watch, []
        episode = msgspec.structs.replace(episodes.quiet(watch.episode, calm), cause=cause)
        if episode.calm < CALM:
            return msgspec.structs.replace(watch, episode=episode), []
        return self._close(subject, watch, episode, RECOVERED, None)

    def _close(
        self, subject: Subject, watch: Watch, episode: Episode, reason: str, deadline_us: int | None
    ) -> tuple[Watch, list[Derived]]:
        """Close the anomaly, because of its last cause, or at a deadline."""
        closed = episodes.closed(episode, episode.cause.time_us if deadline_us is None else deadline_us)
        derived = list(anomaly_closed(self.environment, subject, closed, reason, deadline_us))
        return msgspec.structs.replace(watch, episode=closed), derived
