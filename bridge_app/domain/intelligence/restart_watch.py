"""Instances that start again and again: `failure_pattern` of the kind `restart_loop` (intelligence §3.3)."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from bridge_app.domain.intelligence import episode as episodes
from bridge_app.domain.intelligence.episode import Episode, Sighting
from bridge_app.domain.intelligence.failure_report import RESTART_LOOP, failure_report, failure_shown
from bridge_app.domain.intelligence.measures import succession
from bridge_app.domain.intelligence.series import FORGOTTEN, Subject
from bridge_app.events.envelope import Cause, Derived

WINDOW_US = 600 * 1_000_000
STARTS = 5
#: Starts that are remembered at most, of all instances of the service within the window.
KEPT = 64
SETTLED = "settled"


class RestartWatch(msgspec.Struct, array_like=True, frozen=True):
    """The last starts, each with its time and a digest of its instance, and the last episode."""

    starts: tuple[tuple[int, bytes], ...] = ()
    episode: Episode | None = None


class RestartWatcher(NamedTuple):
    """Watches starts; `threshold` is the least confidence of what is published."""

    environment: str
    threshold: float
    cooldown_us: int

    def take(
        self, subject: Subject, watch: RestartWatch, instance_id: str, cause: Cause
    ) -> tuple[RestartWatch, Sequence[Derived]]:
        """Take a start into account."""
        instance = blake2b(instance_id.encode(), digest_size=8).digest()
        since_us = cause.time_us - WINDOW_US
        starts = (*[start for start in watch.starts if start[0] > since_us], (cause.time_us, instance))[-KEPT:]
        watch = msgspec.structs.replace(watch, starts=starts, episode=_gone_on(watch.episode, instance_id, cause))
        count = sum(since_us < at_us <= cause.time_us and who == instance for at_us, who in starts)
        confidence = succession(count, count)
        if count < STARTS or confidence < self.threshold:
            return watch, ()
        evidence = {
            "kind": RESTART_LOOP,
            "method": "restart_count",
            "instance_id": instance_id,
            "starts": count,
            "window_seconds": WINDOW_US // 1_000_000,
            "sample_size": count,
        }
        return self._found(subject, watch, Sighting(confidence, "high", evidence), cause)

    def due(self, watch: RestartWatch) -> int | None:
        """Return when the loop is over, if there is no further start; None when there is no loop."""
        return watch.episode.last_us + WINDOW_US if watch.episode is not None and watch.episode.is_open else None

    def elapse(self, subject: Subject, watch: RestartWatch, now_us: int) -> tuple[RestartWatch, Sequence[Derived]]:
        """End the loop when its deadline has come."""
        due = self.due(watch)
        if due is None or due > now_us or watch.episode is None:
            return watch, ()
        return self._close(subject, watch, watch.episode, SETTLED, due)

    def drop(self, subject: Subject, watch: RestartWatch, now_us: int) -> Sequence[Derived]:
        """Return what is published when the series is dropped: its loop ends."""
        if watch.episode is None or not watch.episode.is_open:
            return ()
        return self._close(subject, watch, watch.episode, FORGOTTEN, now_us)[1]

    def _close(
        self, subject: Subject, watch: RestartWatch, episode: Episode, reason: str, at_us: int
    ) -> tuple[RestartWatch, Sequence[Derived]]:
        closed = episodes.closed(episode, at_us)
        event = failure_report(self.environment, subject, closed).resolved(reason, closed.cause, time_us=at_us)
        return msgspec.structs.replace(watch, episode=closed), [event]

    def _found(
        self, subject: Subject, watch: RestartWatch, sighting: Sighting, cause: Cause
    ) -> tuple[RestartWatch, Sequence[Derived]]:
        episode, derived = failure_shown(self.environment, subject, watch.episode, sighting, cause, self.cooldown_us)
        return msgspec.structs.replace(watch, episode=episode), derived


def _gone_on(episode: Episode | None, instance_id: str, cause: Cause) -> Episode | None:
    """Return the episode after a start: a loop goes on with any start of its instance."""
    if episode is None or not episode.is_open or episode.evidence["instance_id"] != instance_id:
        return episode
    return msgspec.structs.replace(episode, last_us=max(episode.last_us, cause.time_us))
