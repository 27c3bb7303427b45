"""`service_initialization`: every start of a service, reported at once and settled some seconds later (§4.1).

A start that was observed is settled once: `confirmed` at its deadline, or `failed` as soon as its instance is reported
stopped, unhealthy or critical before that. Deadlines up to the time of an event come before the event, so the result
depends on the times of the events and not on when a tick arrives.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from bridge_app.domain.intelligence import figures
from bridge_app.domain.intelligence.metric import STARTUP_TIME
from bridge_app.domain.intelligence.restart_watch import RestartWatch, RestartWatcher
from bridge_app.domain.intelligence.seen import Seen
from bridge_app.domain.intelligence.series import Subject
from bridge_app.domain.intelligence.start_report import measured, start_report
from bridge_app.domain.intelligence.start_state import (
    KeptStart,
    PendingStart,
    ServiceStarts,
    median_ms,
    pending_start,
)
from bridge_app.domain.intelligence.watch import Watch, Watcher
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import LifecycleObservation
from bridge_app.topics import HOOKS_SERVICE_LIFECYCLE

KEPT_STARTS = 20
SOURCE_PARTITIONS = 8
#: Encoded bytes of the starts that wait to be settled. Those over it are settled early, the oldest first.
PENDING_BYTES = 7 * 1024
UNWELL = frozenset({"unhealthy", "critical"})

Applied: TypeAlias = tuple[ServiceStarts, Sequence[Derived]]


class StartDetector(NamedTuple):
    """Follows the starts of one service per key."""

    environment: str
    confirm_us: int
    watcher: Watcher
    restarts: RestartWatcher

    def step(
        self, service: str, state: ServiceStarts | None, observation: LifecycleObservation, cause: Cause
    ) -> tuple[ServiceStarts | None, Sequence[Derived]]:
        """Report a start, or fail the starts of an instance that did not last; the first start makes the state."""
        if state is None:
            return self._started(service, None, observation, cause) if observation.change == "started" else (None, ())
        return self._apply(service, state, observation, cause)

    def due(self, state: ServiceStarts) -> int | None:
        """Return when the next start is to be confirmed, silence ends an episode, or there is something to tell."""
        deadlines = [start.due_us for start in state.pending]
        others = (self.watcher.due(state.watch), self.restarts.due(state.restarts), figures.due(state.figures))
        deadlines += [due for due in others if due is not None]
        return min(deadlines, default=None)

    def elapse(self, service: str, state: ServiceStarts, now_us: int) -> Applied:
        """Confirm the starts, end the episodes and tell the figures of the next deadline, if it has come."""
        due = self.due(state)
        if due is None or due > now_us:
            return state, ()
        subject = subject_of(service)
        watch, idle = self.watcher.elapse(subject, state.watch, due)
        restarts, settled = self.restarts.elapse(subject, state.restarts, due)
        state = msgspec.structs.replace(state, watch=watch, restarts=restarts)
        state, told = _tell(service, state, due)
        derived: list[Derived] = [*idle, *settled, *told]
        for start in [start for start in state.pending if start.due_us == due]:
            state, confirmed = self._confirm(service, state, start)
            derived.append(confirmed)
        return state, derived

    def drop(self, service: str, state: ServiceStarts, now_us: int) -> Applied:
        """Confirm the starts, end the episodes and tell the last figures; what remains numbers the next start."""
        subject = subject_of(service)
        derived: list[Derived] = []
        for start in state.pending:
            state, confirmed = self._confirm(service, state, start)
            derived.append(confirmed)
        derived += self.watcher.drop(subject, state.watch, now_us)
        derived += self.restarts.drop(subject, state.restarts, now_us)
        derived += figures.last_told(state.figures, _known(service, state))
        remains = ServiceStarts(state.seen.emptied(), state.first_us, state.last_us, state.revision, 0, (), ())
        return remains, derived

    def _apply(self, service: str, state: ServiceStarts, observation: LifecycleObservation, cause: Cause) -> Applied:
        if observation.change == "started":
            return self._started(service, state, observation, cause)
        state = msgspec.structs.replace(state, seen=state.seen.with_(observation, SOURCE_PARTITIONS, cause.time_us))
        if observation.change == "stopped" or observation.health in UNWELL:
            return self._ended(service, state, observation.instance_id, cause)
        return state, ()

    def _started(
        self, service: str, state: ServiceStarts | None, observation: LifecycleObservation, cause: Cause
    ) -> Applied:
        before = state or ServiceStarts(Seen(), cause.time_us, cause.time_us, 0, 0, (), ())
        start = pending_start(observation, cause, cause.time_us + self.confirm_us, median_ms(before.kept))
        watch, restarts, found = self._judge(service, before, start, cause)
        state = ServiceStarts(
            seen=before.seen.with_(observation, SOURCE_PARTITIONS, cause.time_us),
            first_us=before.first_us,
            last_us=max(before.last_us, cause.time_us),
            revision=before.revision + 1,
            count=before.count + 1,
            kept=(*before.kept, KeptStart(cause.time_us, start.startup_time_ms))[-KEPT_STARTS:],
            pending=(*before.pending, start),
            watch=watch,
            restarts=restarts,
            figures=figures.noted(before.figures, start.startup_time_ms, False, cause),
        )
        derived = [start_report(self.environment, service, state, start, "observed").discovered(cause)]
        if start.startup_time_ms is not None:
            derived.append(measured(service, start))
        derived += found
        while len(state.pending) > 1 and _size(state.pending) > PENDING_BYTES:
            state, confirmed = self._confirm(service, state, state.pending[0])
            derived.append(confirmed)
        state, told = _tell(service, state, cause.time_us)
        return state, [*derived, *told]

    def _judge(
        self, service: str, before: ServiceStarts, start: PendingStart, cause: Cause
    ) -> tuple[Watch, RestartWatch, list[Derived]]:
        """Compare a start with the earlier ones: its time, and how often its instance started."""
        subject = subject_of(service)
        values = {} if start.startup_time_ms is None else {STARTUP_TIME: start.startup_time_ms}
        watch, _, found = self.watcher.take(subject, before.watch, values, cause)
        restarts, loops = self.restarts.take(subject, before.restarts, start.instance_id, cause)
        return watch, restarts, [*found, *loops]

    def _confirm(self, service: str, state: ServiceStarts, start: PendingStart) -> tuple[ServiceStarts, Derived]:
        state = _settled(state, start)
        report = start_report(self.environment, service, state, start, "confirmed")
        return state, report.discovered(start.cause, ordinal=1, time_us=start.due_us)

    def _ended(self, service: str, state: ServiceStarts, instance_id: str, cause: Cause) -> Applied:
        derived: list[Derived] = []
        for start in [start for start in state.pending if start.instance_id == instance_id]:
            state = msgspec.structs.replace(_settled(state, start), last_us=max(state.last_us, cause.time_us))
            report = start_report(self.environment, service, state, start, "failed")
            derived.append(report.discovered(cause, ordinal=len(derived)))
        return state, derived


def _tell(service: str, state: ServiceStarts, now_us: int) -> Applied:
    after, told = figures.told(state.figures, _known(service, state), now_us)
    return msgspec.structs.replace(state, figures=after), told


def _known(service: str, state: ServiceStarts) -> figures.Known:
    return figures.Known(subject_of(service), state.watch.metrics, None, STARTUP_TIME.name)


def subject_of(service: str) -> Subject:
    """Return what a series of starts is about."""
    return Subject(f"start|{service}", service, (), (service,), (HOOKS_SERVICE_LIFECYCLE.name,))


def _settled(state: ServiceStarts, start: PendingStart) -> ServiceStarts:
    """Return the state at its next revision, with the start no longer waiting."""
    pending = tuple(other for other in state.pending if other is not start)
    return msgspec.structs.replace(state, revision=state.revision + 1, pending=pending)


def _size(pending: tuple[PendingStart, ...]) -> int:
    return len(msgspec.msgpack.encode(pending))
