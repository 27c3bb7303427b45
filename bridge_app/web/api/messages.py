"""The events that travel over Kafka: which type on which topic, with which payload (conventions §1)."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from bridge_app import topics
from bridge_app.domain import alarms
from bridge_app.domain.configuration import events as configuration
from bridge_app.domain.database_adapter import letters
from bridge_app.domain.hook_schemas import payload_schema
from bridge_app.domain.hooks import LIFECYCLE, TOOL_EXECUTION, TOOL_REGISTRATION, HookRoute
from bridge_app.domain.hooks.tool_execution import COMPLETED, FAILED
from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import (
    ANOMALY_DETECTED,
    PATTERN_DISCOVERED,
    PATTERN_RESOLVED,
    RECOVERED,
    STARTUP_MEASURED,
    SUMMARY,
)
from bridge_app.json_schema import Schema
from bridge_app.topics import INTELLIGENCE_PATTERNS as PATTERNS
from bridge_app.topics import INTELLIGENCE_PERFORMANCE as PERFORMANCE
from bridge_app.topics import Topic
from bridge_app.web.api import examples, hook_bodies
from bridge_app.web.api.payloads import (
    AnomalyDetected,
    AnomalyRecovered,
    ConfigurationRejected,
    ConfigurationUpdated,
    PatternDiscovered,
    PatternResolved,
    SeriesSummary,
    ServiceError,
    StartupMeasured,
)

DEAD_LETTER: Final = letters.EVENT_TYPE
BARE_ID, TOOL = "bare UUID of the pattern", "tool name, else service name"


class Message(NamedTuple):
    """One type of event. `payload` is a type or a schema; `example` makes one; `key` tells what the Kafka key is."""

    topic: str
    event_type: str
    summary: str
    key: str
    payload: Any
    example: Callable[[], Event]


def _hook(route: HookRoute, event_type: str, summary: str, key: str, added: Mapping[str, Schema]) -> Message:
    """Return the message of a hook; the last part of its type names the body that is shown."""
    short = event_type.rpartition(".")[2]
    name = next(name for name, kind in route.types.items() if short == "failed" or kind.event_type == event_type)
    return Message(
        route.topic,
        event_type,
        summary,
        key,
        payload_schema(route, name, added),
        lambda: examples.hook(hook_bodies.BODIES[route.topic][short], route=route),
    )


def _lifecycle(name: str, summary: str) -> Message:
    derived: Schema = {"$ref": "#/components/schemas/StartTime"}
    return _hook(LIFECYCLE, LIFECYCLE.types[name].event_type, summary, "service name", {"derived": derived})


def _registration(name: str, summary: str) -> Message:
    event_type = TOOL_REGISTRATION.types[name].event_type
    return _hook(TOOL_REGISTRATION, event_type, summary, "tool name", {"tool_id": {"type": "string"}})


def _execution(event_type: str, summary: str) -> Message:
    derived: Schema = {"$ref": "#/components/schemas/ExecutionOutcome"}
    return _hook(TOOL_EXECUTION, event_type, summary, "tool name", {"derived": derived})


def _found(topic: Topic, event_type: str, summary: str, key: str, payload: type) -> Message:
    return Message(topic.name, event_type, summary, key, payload, lambda: examples.event(event_type))


#: The events that the bridge sends, dead letters apart. Each domain adds its own.
MESSAGES: Final = (
    _lifecycle("service_started", "A service started."),
    _lifecycle("service_stopped", "A service stopped."),
    _lifecycle("health_changed", "A service's health changed."),
    _registration("tool_discovered", "A tool was discovered."),
    _registration("tool_updated", "A tool has changed."),
    _execution(COMPLETED, "A tool was executed."),
    _execution(FAILED, "The execution of a tool failed."),
    _found(PATTERNS, PATTERN_DISCOVERED, "A pattern was found, or changed.", BARE_ID, PatternDiscovered),
    _found(PATTERNS, PATTERN_RESOLVED, "A pattern is over.", BARE_ID, PatternResolved),
    _found(PERFORMANCE, STARTUP_MEASURED, "How long a start took.", "service name", StartupMeasured),
    _found(PERFORMANCE, ANOMALY_DETECTED, "Something took, or used, far more than usual.", TOOL, AnomalyDetected),
    _found(PERFORMANCE, RECOVERED, "An anomaly is over.", TOOL, AnomalyRecovered),
    _found(PERFORMANCE, SUMMARY, "The figures of a series, at most once a minute.", TOOL, SeriesSummary),
    Message(
        topics.CONFIGURATION_CHANGES.name,
        configuration.UPDATED,
        "Another value of a setting is in force. Every worker publishes it, under one id.",
        "`<service>/<key>`",
        ConfigurationUpdated,
        lambda: examples.configuration_change(configuration.UPDATED),
    ),
    Message(
        topics.CONFIGURATION_CHANGES.name,
        configuration.REJECTED,
        "A value in Consul does not count; the one in force stays.",
        "`<service>/<key>`",
        ConfigurationRejected,
        lambda: examples.configuration_change(configuration.REJECTED),
    ),
    Message(
        topics.SYSTEM_ERRORS.name,
        alarms.CRITICAL,
        "A part of a worker, or what it needs, has failed.",
        "service name of the bridge",
        ServiceError,
        lambda: examples.alarm(alarms.CRITICAL),
    ),
    Message(
        topics.SYSTEM_ERRORS.name,
        alarms.RECOVERED,
        "It works again.",
        "service name of the bridge",
        ServiceError,
        lambda: examples.alarm(alarms.RECOVERED),
    ),
)
