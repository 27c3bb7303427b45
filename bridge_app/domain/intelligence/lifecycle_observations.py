"""Stage 1 for lifecycle events: what a start, a stop or a change of health says about its service."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec

from bridge_app.domain.hooks.lifecycle import derive_startup
from bridge_app.domain.intelligence.keyed import Keyed, origin_of
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import (
    CohortObservation,
    LifecycleObservation,
    Millis,
    StepTime,
)

STEPS = 50
SLOWEST_STEPS = 5
FAILED_STEPS = 5
STEP_NAME_LENGTH = 100
#: UTF-8 bytes of the names of all steps of one observation: what the state of a series can hold.
STEP_NAMES_BYTES = 3072

FAILED = frozenset({"failed", "failure", "error", "timeout", "crashed"})

Change: TypeAlias = Literal["started", "stopped", "health_changed"]

CHANGES: dict[str, Change] = {
    "service.lifecycle.started": "started",
    "service.lifecycle.stopped": "stopped",
    "service.lifecycle.health_changed": "health_changed",
}


class _Service(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    instance_id: Annotated[str, msgspec.Meta(max_length=200)] = ""
    version: Annotated[str, msgspec.Meta(max_length=50)] = ""
    startup_time_ms: Millis | None = None


class _Startup(msgspec.Struct):
    startup_time_ms: Millis | None = None
    initialization_steps: list[StepTime] | None = None


class _Derived(msgspec.Struct):
    startup_time_ms: Millis | None = None
    startup_time_source: Annotated[str, msgspec.Meta(max_length=50)] | None = None


class _Transition(msgspec.Struct):
    current_status: str | None = None


class _Lifecycle(msgspec.Struct):
    """What is read of a lifecycle payload; everything else in it is somebody else's."""

    service_info: _Service
    startup_info: _Startup | None = None
    derived: _Derived | None = None
    health_transition: _Transition | None = None

    def steps(self) -> list[StepTime]:
        return (self.startup_info.initialization_steps if self.startup_info else None) or []


def observe_lifecycle(event: Event, environment: str) -> list[Keyed]:
    """Return the observations a lifecycle event is worth, none for events of other kinds.

    Raises:
        PoisonRecord: INVALID_PAYLOAD, when it does not say what its service is or has values of a wrong type.
    """
    payload = _read(event)
    if payload is None:
        return []
    observation = _observation(payload, event)
    found: list[Keyed] = [(f"start|{observation.service}", observation)]
    if observation.startup_time_ms is not None:
        found.append((f"cohort|{environment}", _timed(observation, payload.steps())))
    return found


def read_lifecycle(event: Event) -> LifecycleObservation | None:
    """Return what a lifecycle event says about its service, None for events of other kinds.

    Raises:
        PoisonRecord: as `observe_lifecycle`.
    """
    payload = _read(event)
    return None if payload is None else _observation(payload, event)


def _read(event: Event) -> _Lifecycle | None:
    if event.normal_type not in CHANGES:
        return None
    try:
        return msgspec.convert(event.payload, _Lifecycle)
    except msgspec.ValidationError as error:
        raise PoisonRecord("INVALID_PAYLOAD", str(error)) from error


def _observation(payload: _Lifecycle, event: Event) -> LifecycleObservation:
    service, transition = payload.service_info, payload.health_transition
    change = CHANGES[event.normal_type]
    health = transition.current_status if transition else None
    observation = LifecycleObservation(
        cause_id=UUID(event.event_id),
        origin=origin_of(event),
        change=change,
        service=service.name,
        instance_id=service.instance_id,
        version=service.version,
        health=health.lower() if health else None,
    )
    return _started(observation, payload, event) if change == "started" else observation


def _started(observation: LifecycleObservation, payload: _Lifecycle, event: Event) -> LifecycleObservation:
    steps = payload.steps()
    # Producers other than the hooks do not derive the start time.
    derived = payload.derived or _Derived(**derive_startup(event.payload))
    failed = [_named(step).step for step in steps if (step.status or "").lower() in FAILED]
    return msgspec.structs.replace(
        observation,
        startup_time_ms=derived.startup_time_ms,
        startup_time_source=derived.startup_time_source,
        steps=_fitting(steps[:STEPS]),
        slowest_step=_named(max(steps, key=lambda step: step.duration_ms)) if steps else None,
        failed_steps=tuple(failed[:FAILED_STEPS]),
    )


def _timed(observation: LifecycleObservation, steps: Sequence[StepTime]) -> CohortObservation:
    assert observation.startup_time_ms is not None
    slowest = sorted(steps, key=lambda step: -step.duration_ms)[:SLOWEST_STEPS]
    return CohortObservation(
        cause_id=observation.cause_id,
        origin=observation.origin,
        service=observation.service,
        startup_time_ms=observation.startup_time_ms,
        steps=tuple(StepTime(_named(step).step, step.duration_ms) for step in slowest),
    )


def _named(step: StepTime) -> StepTime:
    """Return the step with names cut to what state can hold."""
    status = step.status and step.status[:STEP_NAME_LENGTH]
    return StepTime(step.step[:STEP_NAME_LENGTH], step.duration_ms, status)


def _fitting(steps: Sequence[StepTime]) -> tuple[StepTime, ...]:
    kept: list[StepTime] = []
    room = STEP_NAMES_BYTES
    for step in map(_named, steps):
        room -= len(step.step.encode()) + len((step.status or "").encode())
        if room < 0:
            break
        kept.append(step)
    return tuple(kept)
