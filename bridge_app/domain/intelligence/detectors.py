"""Stage 2: which detector keeps the state of which key (intelligence §1).

`StartDetectors` is what the runtime runs: `observe` over the hooks, the rest over `intelligence.observations`.
"""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import msgspec

from bridge_app.domain import Outcome
from bridge_app.domain.intelligence import observations
from bridge_app.domain.intelligence.cohort_detector import CohortDetector
from bridge_app.domain.intelligence.cohort_state import Cohort
from bridge_app.domain.intelligence.start_detector import StartDetector
from bridge_app.domain.intelligence.start_state import ServiceStarts
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Cause, Derived, Event
from bridge_app.events.intelligence import CohortObservation, LifecycleObservation

SeriesState: TypeAlias = ServiceStarts | Cohort

T = TypeVar("T", LifecycleObservation, CohortObservation)

_SECOND_US = 1_000_000


class StartConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decides about starts. One bridge serves one environment: whatever reports to it is in it."""

    environment: str
    cohort_window_seconds: float = 300
    confirm_seconds: float = 8
    confidence_threshold: float = 0.7


class StartDetectors:
    """The detectors of starts: `start|<service>` and `cohort|<environment>`. Pure: same arguments, same result."""

    def __init__(self, config: StartConfig) -> None:
        self._environment = config.environment
        self._starts = StartDetector(config.environment, round(config.confirm_seconds * _SECOND_US))
        self._cohorts = CohortDetector(round(config.cohort_window_seconds * _SECOND_US), config.confidence_threshold)

    def observe(self, event: Event) -> Sequence[Derived]:
        """Return the observations a hook is worth (stage 1).

        Raises:
            PoisonRecord: a lifecycle event whose payload is unusable.
        """
        return observations.observe(event, self._environment)

    def step(self, key: str, state: SeriesState | None, event: Event) -> Outcome[SeriesState]:
        """Apply one observation to the state of its key; one that was applied before changes nothing.

        Raises:
            PoisonRecord: a record that is no observation, or of a key of no known kind.
        """
        kind, _, subject = key.partition("|")
        if kind == "start" and not isinstance(state, Cohort):
            started, cause = _read(event, LifecycleObservation)
            return Outcome(*self._starts.step(subject, state, started, cause))
        if kind == "cohort" and not isinstance(state, ServiceStarts):
            timed, cause = _read(event, CohortObservation)
            return Outcome(*self._cohorts.step(subject, state, timed, cause))
        raise PoisonRecord("INVALID_PAYLOAD", f"no series is kept under {key}", {"path": "key"})

    def due(self, state: SeriesState) -> int | None:
        """Return when time alone will change the state, in microseconds since the epoch; None for never."""
        return self._starts.due(state) if isinstance(state, ServiceStarts) else self._cohorts.due(state)

    def elapse(self, key: str, state: SeriesState, now_us: int) -> Outcome[SeriesState]:
        """Let time pass up to the state's next deadline, if it has come; the result does not depend on `now_us` else.

        What is derived carries the deadline as its time.
        """
        subject = key.partition("|")[2]
        if isinstance(state, ServiceStarts):
            return Outcome(*self._starts.elapse(subject, state, now_us))
        return Outcome(*self._cohorts.elapse(subject, state, now_us))


def _read(event: Event, observation_type: type[T]) -> tuple[T, Cause]:
    """Return the observation and its cause: the event that was observed, at the time it was observed to have."""
    try:
        observation = msgspec.convert(event.payload, observation_type)
    except msgspec.ValidationError as error:
        raise PoisonRecord("INVALID_PAYLOAD", str(error)) from error
    return observation, Cause(str(observation.cause_id), _time_us(event), event.correlation_id, event.trace_id)


def _time_us(event: Event) -> int:
    """Return the time of an observation, not later than its record's, which is never in the future.

    A producer whose clock is fast would otherwise move the time of everybody who shares a state with it.
    """
    if event.position is not None and event.time_us // 1000 > event.position.timestamp_ms:
        return event.position.timestamp_ms * 1000
    return event.time_us
