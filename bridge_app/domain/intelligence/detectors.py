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
from bridge_app.domain.intelligence.execution_detector import ExecutionDetector, Executions
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

SeriesState: TypeAlias = ServiceStarts | Cohort | Executions | Link | Session | Successors

_SECOND_US = 1_000_000


class DetectorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decides. One bridge serves one environment: whatever reports to it is in it."""

    environment: str
    cohort_window_seconds: float = 300
    confirm_seconds: float = 8
    confidence_threshold: float = 0.7
    cooldown_seconds: float = 60


class Detector(Protocol):
    """Keeps the state of the keys of one kind; `subject` is what follows the kind in the key."""

    def step(self, subject: str, known: Any, observation: Any, cause: Cause) -> tuple[Any, Sequence[Derived]]:
        """Apply one observation; one that was applied before changes nothing. None as state forgets the key."""

    def due(self, state: Any) -> int | None:
        """Return when time alone will change the state, in microseconds since the epoch; None for never."""

    def elapse(self, subject: str, state: Any, now_us: int) -> tuple[Any, Sequence[Derived]]:
        """Let time pass up to the next deadline, if it has come; what is derived carries the deadline as its time."""


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
        starts = StartDetector(environment, round(config.confirm_seconds * _SECOND_US), watcher, restarts)
        cohorts = CohortDetector(round(config.cohort_window_seconds * _SECOND_US), threshold)
        self._kinds: Mapping[str, _Kind] = {
            "start": _Kind(ServiceStarts, LifecycleObservation, starts),
            "cohort": _Kind(Cohort, CohortObservation, cohorts),
            "exec": _Kind(Executions, ExecutionObservation, ExecutionDetector(watcher, failures)),
            "link": _Kind(Link, LinkObservation, LinkDetector(environment, threshold)),
            "session": _Kind(Session, SessionObservation, SessionDetector()),
            "next": _Kind(Successors, SuccessorObservation, SequenceDetector(environment, threshold)),
        }
        self._by_state = {kind.state: kind.detector for kind in self._kinds.values()}

    def observe(self, event: Event) -> Sequence[Derived]:
        """Return the observations a hook is worth (stage 1).

        Raises:
            PoisonRecord: an event of services or tools whose payload is unusable.
        """
        return observations.observe(event, self._environment)

    def step(self, key: str, state: SeriesState | None, event: Event) -> Outcome[SeriesState]:
        """Apply one observation to the state of its key; one that was applied before changes nothing.

        Feedback on a pattern is applied as well.

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
        return Outcome(*kind.detector.step(subject, state, observation, cause))

    def _heed(self, key: str, state: SeriesState | None, event: Event) -> Outcome[SeriesState]:
        try:
            feedback = msgspec.convert(event.payload, Feedback)
        except msgspec.ValidationError as error:
            raise PoisonRecord("INVALID_PAYLOAD", str(error)) from error
        cause = Cause(event.event_id, _time_us(event), event.correlation_id, event.trace_id)
        return Outcome(*heed(self._environment, key, state, feedback, cause))

    def due(self, state: SeriesState) -> int | None:
        """Return when time alone will change the state, in microseconds since the epoch; None for never."""
        return self._by_state[type(state)].due(state)

    def elapse(self, key: str, state: SeriesState, now_us: int) -> Outcome[SeriesState]:
        """Let time pass up to the state's next deadline, if it has come; the result does not depend on `now_us` else.

        What is derived carries the deadline as its time.
        """
        return Outcome(*self._by_state[type(state)].elapse(key.partition("|")[2], state, now_us))


def _time_us(event: Event) -> int:
    """Return the time of an observation, not later than its record's, which is never in the future.

    A producer whose clock is fast would otherwise move the time of everybody who shares a state with it.
    """
    if event.position is not None and event.time_us // 1000 > event.position.timestamp_ms:
        return event.position.timestamp_ms * 1000
    return event.time_us
