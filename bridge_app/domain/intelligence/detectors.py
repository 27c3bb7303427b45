"""Stage 2: which detector keeps the state of which key (intelligence §1).

`Detectors` is what the runtime runs: `observe` over the hooks, the rest over `intelligence.observations`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from bridge_app.domain import Outcome
from bridge_app.domain.intelligence import observations
from bridge_app.domain.intelligence.cohort_detector import CohortDetector
from bridge_app.domain.intelligence.cohort_state import Cohort
from bridge_app.domain.intelligence.execution_detector import ExecutionDetector, Executions, Proxied
from bridge_app.domain.intelligence.failure_watch import FailureWatcher
from bridge_app.domain.intelligence.feedback import heed
from bridge_app.domain.intelligence.link_detector import Link, LinkDetector
from bridge_app.domain.intelligence.restart_watch import RestartWatcher
from bridge_app.domain.intelligence.sequence_detector import SequenceDetector, Session, SessionDetector, Successors
from bridge_app.domain.intelligence.start_detector import StartDetector
from bridge_app.domain.intelligence.start_state import ServiceStarts
from bridge_app.domain.intelligence.watch import Watcher
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Cause, Derived, Event
from bridge_app.events.intelligence import (
    FEEDBACK,
    AnyObservation,
    CohortObservation,
    ExecutionObservation,
    Feedback,
    LifecycleObservation,
    LinkObservation,
    SessionObservation,
    SuccessorObservation,
)

SeriesState: TypeAlias = ServiceStarts | Cohort | Executions | Proxied | Link | Session | Successors

_SECOND_US = 1_000_000
_HOUR_US = 3600 * _SECOND_US
_DAY_US = 24 * _HOUR_US
#: Rows of patterns are deleted once a day; so many days later their rows are gone for sure.
_DELETED_DAYS = 2


class DetectorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decides. One bridge serves one environment: whatever reports to it is in it.

    A series that is silent for `series_ttl_hours` is dropped. The numbers of its patterns' revisions remain until
    Postgres has forgotten the patterns, after `retention_days`: an older number would not be stored.
    """

    environment: str
    cohort_window_seconds: float = 300
    confirm_seconds: float = 8
    confidence_threshold: float = 0.7
    cooldown_seconds: float = 60
    series_ttl_hours: float = 168
    retention_days: float = 90


class Detector(Protocol):
    """Keeps the state of the keys of one kind; `subject` is what follows the kind in the key."""

    def step(self, subject: str, known: Any, observation: Any, cause: Cause) -> tuple[Any, Sequence[Derived]]:
        """Apply one observation that is new; no deadline is before it. None as state forgets the key."""

    def due(self, state: Any) -> int | None:
        """Return when time alone will change the state, in microseconds since the epoch; None for never."""

    def elapse(self, subject: str, state: Any, now_us: int) -> tuple[Any, Sequence[Derived]]:
        """Let time pass up to the next deadline, if it has come; what is derived carries the deadline as its time."""

    def drop(self, subject: str, state: Any, now_us: int) -> tuple[Any, Sequence[Derived]]:
        """End what is open; return what must remain of the state, with nothing left in `seen`, or None."""


class _Kind(NamedTuple):
    state: type
    observation: type
    detector: Detector


class Detectors:
    """All detectors, by the kind of key. Pure: same arguments, same result."""

    def __init__(self, config: DetectorConfig) -> None:
        self._environment = environment = config.environment
        threshold, cooldown_us = config.confidence_threshold, round(config.cooldown_seconds * _SECOND_US)
        watcher = Watcher(environment, threshold, cooldown_us)
        failures = FailureWatcher(environment, threshold, cooldown_us)
        restarts = RestartWatcher(environment, threshold, cooldown_us)
        self._ttl_us = round(config.series_ttl_hours * _HOUR_US)
        self._remains_us = round((config.retention_days + _DELETED_DAYS) * _DAY_US)
        starts = StartDetector(environment, round(config.confirm_seconds * _SECOND_US), watcher, restarts)
        cohorts = CohortDetector(round(config.cohort_window_seconds * _SECOND_US), threshold)
        self._kinds: Mapping[str, _Kind] = {
            "start": _Kind(ServiceStarts, LifecycleObservation, starts),
            "cohort": _Kind(Cohort, CohortObservation, cohorts),
            "exec": _Kind(Executions, ExecutionObservation, ExecutionDetector(watcher, failures)),
            "proxy": _Kind(Proxied, ExecutionObservation, ExecutionDetector(watcher, failures, Proxied)),
            "link": _Kind(Link, LinkObservation, LinkDetector(environment, threshold)),
            "session": _Kind(Session, SessionObservation, SessionDetector()),
            "next": _Kind(Successors, SuccessorObservation, SequenceDetector(environment, threshold)),
        }
        self._by_state = {kind.state: kind.detector for kind in self._kinds.values()}

    def observe(self, event: Event) -> Sequence[Derived]:
        """Return the observations a hook or a proxied call is worth (stage 1).

        Raises:
            PoisonRecord: an event of services or tools whose payload is unusable.
        """
        return observations.observe(event, self._environment)

    def step(self, key: str, state: SeriesState | None, event: Event) -> Outcome[SeriesState]:
        """Apply one observation to the state of its key; one that was applied before changes nothing.

        Deadlines up to its time come before it, so the result depends on the times of the events and not on when a tick
        arrives. Feedback on a pattern is applied as well.

        Raises:
            PoisonRecord: a record that is no observation, or of a key of no known kind.
        """
        if event.event_type == FEEDBACK:
            return self._heed(key, state, event)
        name, _, subject = key.partition("|")
        kind = self._kinds.get(name)
        if kind is None or (state is not None and type(state) is not kind.state):
            raise PoisonRecord("INVALID_PAYLOAD", f"no series is kept under {key}", {"path": "key"})
        try:
            observation: AnyObservation = msgspec.convert(event.payload, kind.observation)
        except msgspec.ValidationError as error:
            raise PoisonRecord("INVALID_PAYLOAD", str(error)) from error
        cause = Cause(str(observation.cause_id), _time_us(event), event.correlation_id, event.trace_id)
        if state is not None and state.seen.has(observation):
            return Outcome(state)
        derived: list[Derived] = []
        while state is not None and (due := self.due(state)) is not None and due <= cause.time_us:
            state, passed = self.elapse(key, state, due)
            derived += passed
        state, found = kind.detector.step(subject, state, observation, cause)
        return Outcome(state, [*derived, *found])

    def _heed(self, key: str, state: SeriesState | None, event: Event) -> Outcome[SeriesState]:
        try:
            feedback = msgspec.convert(event.payload, Feedback)
        except msgspec.ValidationError as error:
            raise PoisonRecord("INVALID_PAYLOAD", str(error)) from error
        cause = Cause(event.event_id, _time_us(event), event.correlation_id, event.trace_id)
        return Outcome(*heed(self._environment, key, state, feedback, cause))

    def due(self, state: SeriesState) -> int | None:
        """Return when time alone will change the state, in microseconds since the epoch; None for never."""
        deadlines = (self._by_state[type(state)].due(state), self._dropped_us(state))
        return min((due for due in deadlines if due is not None), default=None)

    def elapse(self, key: str, state: SeriesState, now_us: int) -> Outcome[SeriesState]:
        """Let time pass up to the state's next deadline, if it has come; the result does not depend on `now_us` else.

        What is derived carries the deadline as its time.
        """
        detector, dropped_us = self._by_state[type(state)], self._dropped_us(state)
        due = detector.due(state)
        if dropped_us is not None and dropped_us <= now_us and (due is None or dropped_us < due):
            return self.drop(key, state, dropped_us)
        return Outcome(*detector.elapse(key.partition("|")[2], state, now_us))

    def drop(self, key: str, state: SeriesState, now_us: int) -> Outcome[SeriesState]:
        """Drop a series: what is open ends, the numbers of revisions remain; dropped again, nothing does."""
        if state.seen.is_empty:
            return Outcome(None)
        return Outcome(*self._by_state[type(state)].drop(key.partition("|")[2], state, now_us))

    def series_updated_us(self, state: SeriesState) -> int | None:
        """Return when a series was last updated, None for what remains of one."""
        return None if state.seen.is_empty else state.seen.last_us

    def remains_updated_us(self, state: SeriesState) -> int | None:
        """Return when the series was last updated of which this remains, None for a series."""
        return state.seen.last_us if state.seen.is_empty else None

    def _dropped_us(self, state: SeriesState) -> int | None:
        """Return when a series is dropped if it stays silent, or what remains of one is."""
        last_us = state.seen.last_us
        if not last_us:  # an earlier release wrote it, and the next observation tells
            return None
        return last_us + (self._remains_us if state.seen.is_empty else self._ttl_us)


def _time_us(event: Event) -> int:
    """Return the time of an observation, not later than its record's, which is never in the future.

    A producer whose clock is fast would otherwise move the time of everybody who shares a state with it.
    """
    if event.position is not None and event.time_us // 1000 > event.position.timestamp_ms:
        return event.position.timestamp_ms * 1000
    return event.time_us
