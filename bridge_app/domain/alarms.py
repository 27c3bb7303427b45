"""What an operator must know at once: `error.service.critical`, later `error.service.recovered` (hooks §11).

An alarm has a name. It is told once when it begins and once when it ends, whatever happens in between.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from bridge_app import ids
from bridge_app.events.envelope import Event, Identity
from bridge_app.timestamps import format_us

CRITICAL = "error.service.critical"
RECOVERED = "error.service.recovered"


class Advice(NamedTuple):
    """What an error means for users, and what an operator does about it."""

    impact: str
    actions: tuple[str, ...]


#: For each error type that has nothing more particular to say.
ADVICE = {
    "AGENT_STOPPED": Advice(
        "What the agent had not acknowledged waits in Kafka and is read again.",
        ("Mend what the message names, then start the worker again",),
    ),
    "TOPIC_STOPPED": Advice(
        "The topic's records wait in Kafka; the other topics go on.",
        ("Mend the producer that the message points to", "Then resume the topic, or restart the worker"),
    ),
    "RECORDS_LOST": Advice(
        "These records were deleted before they were read: nothing of them will ever be stored.",
        ("Raise the topic's retention, or keep the worker's outages shorter than it",),
    ),
    "COMMITS_STALLED": Advice(
        "The worker ends, and its records are read again.", ("See that it is started again; the log holds its tasks",)
    ),
    "STATE_SET_ASIDE": Advice(
        "The state is built anew from its changelog, which takes time and loses nothing.",
        ("Look for a failing disk, then delete what was set aside",),
    ),
    "CIRCUIT_BREAKER_OPEN": Advice(
        "Calls are refused at once instead of waiting.", ("Bring the dependency back; the breaker closes by itself",)
    ),
}
_NO_ADVICE = Advice("", ())


class Alarm(NamedTuple):
    """What is wrong: `name` says what (`breaker.kafka`), `error_type` of which kind it is, `impact` what it means for
    users, `actions` what to do, `context` further facts. Without impact or actions those of `ADVICE` are told.
    """

    name: str
    error_type: str
    message: str
    impact: str = ""
    actions: tuple[str, ...] = ()
    context: Mapping[str, Any] = {}


class AlarmSink(Protocol):
    """Who is told of alarms; neither method waits or raises."""

    def raise_(self, alarm: Alarm) -> None:
        """Say that something is wrong; nothing happens when its name was said before and not cleared since."""

    def clear(self, name: str) -> None:
        """Say that it is over; nothing happens when it was not said to be wrong."""


class NoAlarms:
    """Tells nobody."""

    def raise_(self, alarm: Alarm) -> None:
        return

    def clear(self, name: str) -> None:
        return


class _Active(NamedTuple):
    alarm: Alarm
    error_id: str
    since_us: int


class AlarmBook:
    """The alarms of one worker: which are raised, since when, and how often each was since the start.

    The id of an occurrence is made of worker, name and time, so telling it again tells the same event.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._active: dict[str, _Active] = {}
        self._first_us: dict[str, int] = {}
        self._times: dict[str, int] = {}

    @property
    def active(self) -> Mapping[str, str]:
        """The message of every alarm that is raised, by name."""
        return {name: active.alarm.message for name, active in self._active.items()}

    def raise_(self, alarm: Alarm, now_us: int) -> Event | None:
        """Return the event to publish, None when the alarm is raised already."""
        if alarm.name in self._active:
            return None
        self._first_us.setdefault(alarm.name, now_us)
        self._times[alarm.name] = self._times.get(alarm.name, 0) + 1
        error_id = ids.name_based("error", self._identity.instance_id, alarm.name, now_us)
        active = self._active[alarm.name] = _Active(alarm, error_id, now_us)
        return self._event(active, CRITICAL, now_us, {})

    def clear(self, name: str, now_us: int) -> Event | None:
        """Return the event to publish, None when the alarm is not raised."""
        active = self._active.pop(name, None)
        if active is None:
            return None
        lasted = max(0, now_us - active.since_us) / 1_000_000
        event = self._event(active, RECOVERED, now_us, {"lasted_seconds": lasted})
        event.causation_id = ids.derived(active.error_id, CRITICAL)
        return event

    def _event(self, active: _Active, event_type: str, now_us: int, extra: dict[str, Any]) -> Event:
        alarm, identity = active.alarm, self._identity
        advice = ADVICE.get(alarm.error_type, _NO_ADVICE)
        return Event(
            event_id=ids.derived(active.error_id, event_type),
            event_type=event_type,
            time_us=now_us,
            correlation_id=active.error_id,
            trace_id=active.error_id.replace("-", ""),
            partition_key=identity.service_name,
            environment=identity.environment,
            source=identity.as_source(),
            source_node_id=identity.node_id,
            payload={
                "error_info": {
                    "error_id": active.error_id,
                    "service_name": identity.service_name,
                    "instance_id": identity.instance_id,
                    "error_type": alarm.error_type,
                    "severity": "critical",
                    "message": alarm.message,
                    "first_occurrence": format_us(self._first_us[alarm.name]),
                    "occurrence_count": self._times[alarm.name],
                },
                "context_info": {"alarm": alarm.name, **alarm.context, **extra},
                "impact_assessment": {"description": alarm.impact or advice.impact},
                "recovery_actions": list(alarm.actions or advice.actions),
            },
        )
