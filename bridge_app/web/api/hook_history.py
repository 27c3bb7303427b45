"""GET /hooks and GET /hooks/{hook_id}, described."""

from typing import Annotated, Any, Final

import msgspec

from bridge_app.domain.hooks import LIFECYCLE, hook_id
from bridge_app.domain.hooks.reading import PARAMETERS
from bridge_app.errors import NotFound, ValidationError
from bridge_app.events.envelope import VERSION
from bridge_app.timestamps import format_us
from bridge_app.web.api import examples
from bridge_app.web.api.answers import Pagination, Timestamp
from bridge_app.web.api.hook_bodies import LIFECYCLE_BODIES
from bridge_app.web.api.operation import Operation
from bridge_app.web.api.payloads import Uuid


class StoredHook(msgspec.Struct):
    """A hook that was stored; topic, partition and offset say where its event stands in Kafka."""

    hook_id: Annotated[str, msgspec.Meta(pattern="^hook_")]
    hook_type: str
    event_type: str
    correlation_id: str | None
    received_at: Timestamp
    topic: str
    partition: int | None
    offset: int | None


class HookList(msgspec.Struct):
    """One page of hooks, the latest first."""

    hooks: list[StoredHook]
    pagination: Pagination


class StoredEvent(msgspec.Struct):
    """The event of a hook: all of its envelope that Postgres keeps; source, trace and environment are on Kafka only."""

    event_id: Uuid
    event_type: str
    envelope_version: str
    event_version: str
    version: str
    event_timestamp: Timestamp
    timestamp: Timestamp
    correlation_id: str | None
    causation_id: Uuid | None
    partition_key: str | None
    payload: dict[str, Any]
    metadata: dict[str, Any]


class DerivedEvent(msgspec.Struct):
    """An event whose cause a hook is."""

    event_id: Uuid
    event_type: str
    topic: str


class HookWithEvents(StoredHook):
    """A hook, its whole event, and what came of it."""

    event: StoredEvent
    derived_events: list[DerivedEvent]


def _hook() -> dict[str, Any]:
    event = examples.hook(LIFECYCLE_BODIES["started"])
    return {
        "hook_id": hook_id(event.event_id),
        "hook_type": "service_started",
        "event_type": event.event_type,
        "correlation_id": event.correlation_id,
        "received_at": format_us(event.time_us),
        "topic": LIFECYCLE.topic,
        "partition": 3,
        "offset": 42,
    }


def _whole() -> dict[str, Any]:
    event = examples.hook(LIFECYCLE_BODIES["started"])
    derived = [
        {"event_id": one.event_id, "event_type": one.event_type, "topic": topic}
        for topic, one in examples.published()
        if one.causation_id == event.event_id
    ]
    stored = {
        "event_id": event.event_id,
        "event_type": event.event_type,
        "envelope_version": VERSION,
        "event_version": VERSION,
        "version": VERSION,
        "event_timestamp": format_us(event.time_us),
        "timestamp": format_us(event.time_us),
        "correlation_id": event.correlation_id,
        "causation_id": None,
        "partition_key": event.partition_key,
        "payload": event.payload,
        "metadata": event.metadata,
    }
    return {**_hook(), "event": stored, "derived_events": derived}


HOOKS: Final = Operation(
    tag="hooks",
    summary="The hooks that were stored, the latest first",
    description="A hook is here about a second after it was accepted.",
    query=PARAMETERS,
    answer=HookList,
    errors=(ValidationError,),
    example=lambda: {"hooks": [_hook()], "pagination": {"limit": 100, "has_more": False, "next_cursor": None}},
)

ONE_HOOK: Final = Operation(
    tag="hooks",
    summary="One hook, and what came of it",
    path={
        "hook_id": {
            "type": "string",
            "description": "`hook_<uuid>` or the bare UUID",
            "examples": ["hook_a2d32e20-0d7e-4b5e-9d57-0d7f0c1c2a11"],
        }
    },
    answer=HookWithEvents,
    errors=(NotFound,),
    example=_whole,
)
