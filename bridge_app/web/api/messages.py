"""The events that travel over Kafka: which type on which topic, with which payload (conventions §1)."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from bridge_app import topics
from bridge_app.domain.alarms import CRITICAL, RECOVERED
from bridge_app.domain.database_adapter import letters
from bridge_app.domain.hook_schemas import payload_schema
from bridge_app.domain.hooks import LIFECYCLE
from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import PATTERN_DISCOVERED, PATTERN_RESOLVED, STARTUP_MEASURED
from bridge_app.json_schema import Schema
from bridge_app.web.api import examples
from bridge_app.web.api.payloads import PatternDiscovered, PatternResolved, ServiceError, StartupMeasured

DEAD_LETTER: Final = letters.EVENT_TYPE


class Message(NamedTuple):
    """One type of event. `payload` is a type or a schema; `example` makes one; `key` tells what the Kafka key is."""

    topic: str
    event_type: str
    summary: str
    key: str
    payload: Any
    example: Callable[[], Event]


def _lifecycle(name: str, summary: str) -> Message:
    event_type = LIFECYCLE.types[name].event_type
    short = event_type.rpartition(".")[2]
    derived: Schema = {"$ref": "#/components/schemas/StartTime"}
    return Message(
        LIFECYCLE.topic,
        event_type,
        summary,
        "service name",
        payload_schema(LIFECYCLE, name, derived),
        lambda: examples.hook(examples.LIFECYCLE_BODIES[short]),
    )


#: The events that the bridge sends, dead letters apart. Each domain adds its own.
MESSAGES: Final = (
    _lifecycle("service_started", "A service started."),
    _lifecycle("service_stopped", "A service stopped."),
    _lifecycle("health_changed", "A service's health changed."),
    Message(
        topics.INTELLIGENCE_PATTERNS.name,
        PATTERN_DISCOVERED,
        "A pattern was found, or changed.",
        "bare UUID of the pattern",
        PatternDiscovered,
        lambda: examples.event(PATTERN_DISCOVERED),
    ),
    Message(
        topics.INTELLIGENCE_PATTERNS.name,
        PATTERN_RESOLVED,
        "A pattern is over.",
        "bare UUID of the pattern",
        PatternResolved,
        lambda: examples.event(PATTERN_RESOLVED),
    ),
    Message(
        topics.INTELLIGENCE_PERFORMANCE.name,
        STARTUP_MEASURED,
        "How long a start took.",
        "service name",
        StartupMeasured,
        lambda: examples.event(STARTUP_MEASURED),
    ),
    Message(
        topics.SYSTEM_ERRORS.name,
        CRITICAL,
        "A part of a worker, or what it needs, has failed.",
        "service name of the bridge",
        ServiceError,
        lambda: examples.alarm(CRITICAL),
    ),
    Message(
        topics.SYSTEM_ERRORS.name,
        RECOVERED,
        "It works again.",
        "service name of the bridge",
        ServiceError,
        lambda: examples.alarm(RECOVERED),
    ),
)
