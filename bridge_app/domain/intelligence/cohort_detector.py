"""`startup_performance`: the services of an environment that start in about the same time (§4.2).

The window holds the starts of the last minutes, the latest per service. While it holds a group there is one pattern: an
episode. A start that changes the group publishes a revision, at once while the group is small, and at most every ten
seconds when it is large. Starts that leave the window publish nothing, until what is left is no group any more: then
the pattern is resolved, with the evidence of its last start.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from bridge_app import ids
from bridge_app.domain.intelligence.cohort_report import cohort_report
from bridge_app.domain.intelligence.cohort_state import SOURCE_PARTITIONS, Cohort, Episode, bounded
from bridge_app.domain.intelligence.grouping import (
    Group,
    TimedStart,
    earliest_latest_us,
    find_group,
    latest_per_service,
)
from bridge_app.domain.intelligence.seen import Seen
from bridge_app.domain.intelligence.series import FORGOTTEN
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import STARTUP_PERFORMANCE, CohortObservation

#: From a larger group on, revisions are at least `REVISION_GAP_US` apart.
SMALL_GROUP = 10
REVISION_GAP_US = 10_000_000

DISPERSED = "dispersed"
WINDOW_PASSED = "window_passed"

Applied: TypeAlias = tuple[Cohort, Sequence[Derived]]


class CohortDetector(NamedTuple):
    """Compares the starts of one environment per key. The window is that of the last start: another one that is set
    meanwhile is in force from the next start on.
    """

    window_us: int
    threshold: float

    def step(self, environment: str, known: Cohort | None, observation: CohortObservation, cause: Cause) -> Applied:
        """Take a start into the window; one that is older than the window changes nothing."""
        state = known or Cohort(Seen(), cause.time_us, (), None)
        before = msgspec.structs.replace(state, seen=state.seen.with_(observation, SOURCE_PARTITIONS, cause.time_us))
        if cause.time_us <= state.clock_us - self.window_us:
            return before, ()
        return self._judge(environment, before, self._with_start(before, observation, cause), cause)

    def due(self, state: Cohort) -> int | None:
        """Return when the next start leaves the window, or a deferred revision is to be published."""
        episode = state.episode
        if episode is None:
            return None
        window_us = self._width_us(state)
        first_us = earliest_latest_us(state.starts, state.clock_us - window_us)
        leaving = [] if first_us is None else [first_us + window_us]
        if episode.deferred:
            leaving.append(episode.published_us + REVISION_GAP_US)
        return min(leaving, default=state.clock_us)

    def elapse(self, environment: str, state: Cohort, now_us: int) -> Applied:
        """Let time pass up to the next deadline, if it has come."""
        due, episode = self.due(state), state.episode
        if due is None or episode is None or due > now_us:
            return state, ()
        later = msgspec.structs.replace(state, clock_us=max(due, state.clock_us))
        if self._group(later, later.clock_us) is None:
            return self._resolve(environment, state, later, (WINDOW_PASSED, episode.cause, due))
        if episode.deferred and episode.published_us + REVISION_GAP_US <= due:
            return self._publish(environment, later, episode, time_us=due)
        return later, ()

    def drop(self, environment: str, state: Cohort, now_us: int) -> tuple[None, Sequence[Derived]]:
        """Resolve the pattern; nothing remains."""
        if state.episode is None:
            return None, ()
        return None, self._resolve(environment, state, state, (FORGOTTEN, state.episode.cause, now_us))[1]

    def _with_start(self, state: Cohort, observation: CohortObservation, cause: Cause) -> Cohort:
        steps = tuple((step.step, step.duration_ms) for step in observation.steps)
        start = TimedStart(cause.time_us, observation.service, observation.startup_time_ms, steps)
        clock_us = max(state.clock_us, cause.time_us)
        inside = [one for one in (*state.starts, start) if one.time_us > clock_us - self.window_us]
        return msgspec.structs.replace(state, clock_us=clock_us, starts=bounded(inside), window_us=self.window_us)

    def _judge(self, environment: str, before: Cohort, after: Cohort, cause: Cause) -> Applied:
        """Open, revise or resolve the pattern after a start."""
        episode = after.episode
        group = self._group(after, after.clock_us)
        if group is None:
            if episode is None:
                return after, ()
            return self._resolve(environment, before, after, (DISPERSED, cause, None))
        if episode is None:
            uuid = ids.pattern(STARTUP_PERFORMANCE, environment, f"cohort|{environment}", cause.event_id)
            opened = Episode(uuid, cause.time_us, cause.time_us, after.clock_us, 0, 0, 1, cause, False)
            return self._publish(environment, after, opened)
        changed = msgspec.structs.replace(
            episode,
            last_us=max(episode.last_us, cause.time_us),
            changed_us=after.clock_us,
            occurrences=episode.occurrences + 1,
            cause=cause,
        )
        if len(group.members) > SMALL_GROUP and after.clock_us < episode.published_us + REVISION_GAP_US:
            deferred = msgspec.structs.replace(changed, deferred=True)
            return msgspec.structs.replace(after, episode=deferred), ()
        return self._publish(environment, after, changed)

    def _publish(self, environment: str, state: Cohort, episode: Episode, *, time_us: int | None = None) -> Applied:
        published = msgspec.structs.replace(
            episode, revision=episode.revision + 1, published_us=state.clock_us, deferred=False
        )
        report = cohort_report(environment, self._width_us(state), self._evidence(state, published), published)
        event = report.discovered(published.cause, time_us=time_us)
        return msgspec.structs.replace(state, episode=published), [event]

    def _resolve(self, environment: str, before: Cohort, after: Cohort, end: tuple[str, Cause, int | None]) -> Applied:
        """Close the pattern of `before`, with the evidence it had; `end` is the reason, the cause and a deadline."""
        assert before.episode is not None
        reason, cause, time_us = end
        closed = msgspec.structs.replace(before.episode, revision=before.episode.revision + 1)
        evidence = self._evidence(before, closed)
        report = cohort_report(environment, self._width_us(before), evidence, closed, status="resolved")
        return msgspec.structs.replace(after, episode=None), [report.resolved(reason, cause, time_us=time_us)]

    def _evidence(self, state: Cohort, episode: Episode) -> Group:
        """Return the group as of the last change; all that is kept when other settings let it hold no group."""
        return find_group(self._window(state, episode.changed_us)) or Group(list(state.starts), [])

    def _group(self, state: Cohort, at_us: int) -> Group | None:
        group = find_group(self._window(state, at_us))
        return group if group is not None and group.confidence >= self.threshold else None

    def _window(self, state: Cohort, at_us: int) -> list[TimedStart]:
        return latest_per_service(state.starts, at_us - self._width_us(state))

    def _width_us(self, state: Cohort) -> int:
        return state.window_us or self.window_us
