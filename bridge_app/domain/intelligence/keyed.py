"""What the observations of stage 1 have in common: their key, their origin, their time."""

from typing import TypeAlias

import msgspec

from bridge_app.events.envelope import Cause, Derived, Event
from bridge_app.events.intelligence import OBSERVATION, AnyObservation, Origin
from bridge_app.topics import INTELLIGENCE_OBSERVATIONS

#: An event time further than this from the record's Kafka time is replaced by the latter.
TIME_TOLERANCE_US = 5 * 60 * 1_000_000

#: The series or scope an observation belongs to, and the observation.
Keyed: TypeAlias = tuple[str, AnyObservation]


def origin_of(event: Event) -> Origin | None:
    """Return where an event stands in Kafka, None for one that was not read from there."""
    position = event.position
    return None if position is None else Origin(position.topic, position.partition, position.offset)


def cause_of(event: Event) -> Cause:
    """Return the cause of what is observed in an event, at the time that counts for it."""
    return Cause(event.event_id, _time_us(event), event.correlation_id, event.trace_id)


def observed(key: str, observation: AnyObservation, cause: Cause) -> Derived:
    """Return the record of an observation."""
    return Derived(
        topic=INTELLIGENCE_OBSERVATIONS.name,
        event_type=OBSERVATION,
        key=key,
        payload=msgspec.to_builtins(observation),
        cause=cause,
        subject=key,
    )


def _time_us(event: Event) -> int:
    if event.position is None:
        return event.time_us
    recorded_us = event.position.timestamp_ms * 1000
    return event.time_us if abs(event.time_us - recorded_us) <= TIME_TOLERANCE_US else recorded_us
