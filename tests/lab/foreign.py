"""Events as other producers write them: one record in every form that conventions §1 has the bridge read.

Each carries its number in the payload, and says under which event id it must be stored. Nothing of the bridge is
imported: the ids are computed from the words of the contract.
"""

import random
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import orjson

NAMESPACE = uuid.UUID("d9c8b8dc-969b-50b1-8d91-b959c51123b0")
SECOND_FORM_MS = 1_700_000_000_000

Headers: TypeAlias = list[tuple[str, bytes]]


class Foreign(NamedTuple):
    """One record; `event_id` is None where the id comes from the record's position."""

    value: bytes
    headers: Headers
    event_id: str | None


def name_based(*parts: object) -> str:
    """Return the UUIDv5 whose name is the parts joined with `|` (conventions §3)."""
    return str(uuid.uuid5(NAMESPACE, "|".join(map(str, parts))))


def id_from_position(topic: str, partition: int, offset: int, timestamp_ms: int) -> str:
    """Return the id of a record that names none."""
    return name_based(f"{topic}:{partition}:{offset}:{timestamp_ms}")


def envelope(event_id: str, content: dict[str, Any]) -> Foreign:
    """The bridge's own form, with a field it does not know."""
    fields = {
        "event_id": event_id,
        "event_type": "build.finished",
        "event_timestamp": "2024-01-15T10:30:00.5+02:00",
        "source": {"service_name": "builder"},
        "source_node_id": "builder-1",
        "correlation_id": f"c-{event_id}",
        "payload": content,
        "surprise": 1,
    }
    return Foreign(orjson.dumps(fields), [], event_id)


def json_in_json(event_id: str, content: dict[str, Any]) -> Foreign:
    """A JSON string that holds the JSON."""
    inner = orjson.dumps({"event_id": event_id, "event_type": "build-finished", "payload": content})
    return Foreign(orjson.dumps(inner.decode()), [], event_id)


def base_event(event_id: str, content: dict[str, Any]) -> Foreign:
    """Short names, the source as text, the time as a number of seconds."""
    fields = {
        "event_id": event_id,
        "event_type": "BUILD_FINISHED",
        "timestamp": SECOND_FORM_MS / 1000,
        "version": "1.0",
        "source": "builder",
        "correlation_id": 42,
        "payload": content,
    }
    return Foreign(orjson.dumps(fields), [], event_id)


def onex_envelope(event_id: str, content: dict[str, Any]) -> Foreign:
    """Flat names of the source, the time in milliseconds."""
    fields = {
        "event_id": event_id,
        "event_type": "BUILD_FINISHED",
        "event_version": "1.0",
        "event_timestamp": SECOND_FORM_MS,
        "source_service": "builder",
        "source_version": "2.0",
        "source_instance": "builder-1",
        "source_node": "n1",
        "payload": content,
    }
    return Foreign(orjson.dumps(fields), [], event_id)


def cloud_event(event_id: str, content: dict[str, Any]) -> Foreign:
    """CloudEvents, structured."""
    fields = {"specversion": "1.0", "id": event_id, "type": "build.finished", "time": "2024-01-15T10:30:00Z"}
    return Foreign(orjson.dumps({**fields, "source": "/builder", "data": content}), [], event_id)


def binary_cloud_event(event_id: str, content: dict[str, Any]) -> Foreign:
    """CloudEvents in headers: the value is the payload."""
    headers = {
        "ce_id": event_id,
        "ce_type": "build.finished",
        "ce_source": "/builder",
        "ce_time": "2024-01-15 10:30:00z",
    }
    return Foreign(orjson.dumps(content), [(name, text.encode()) for name, text in headers.items()], event_id)


def webhook(event_id: str, content: dict[str, Any]) -> Foreign:
    """Standard Webhooks; its id is no UUID."""
    text = f"msg_{event_id}"
    fields = {"id": text, "type": "build.finished", "timestamp": "2024-01-15T10:30:00Z", "data": content}
    return Foreign(orjson.dumps(fields), [], name_based("event", text))


def flat(event_id: str, content: dict[str, Any]) -> Foreign:
    """No payload: all other fields form it."""
    return Foreign(orjson.dumps({"event_id": event_id, "event_type": "build.finished", **content}), [], event_id)


def id_in_headers(event_id: str, content: dict[str, Any]) -> Foreign:
    """The id and the correlation travel in headers."""
    headers = [("event_id", event_id.encode()), ("correlation_id", b"from-the-headers")]
    return Foreign(orjson.dumps({"event_type": "build.finished", "payload": content}), headers, event_id)


def without_id(_event_id: str, content: dict[str, Any]) -> Foreign:
    """No id at all: the position gives it."""
    return Foreign(orjson.dumps({"event_type": "build.finished", "payload": content}), [], None)


def without_type(event_id: str, content: dict[str, Any]) -> Foreign:
    """No type, which only extra topics may carry."""
    return Foreign(orjson.dumps({"event_id": event_id, "payload": content}), [], event_id)


FORMS: tuple[Callable[[str, dict[str, Any]], Foreign], ...] = (
    envelope,
    json_in_json,
    base_event,
    onex_envelope,
    cloud_event,
    binary_cloud_event,
    webhook,
    flat,
    id_in_headers,
    without_id,
    without_type,
)


def foreign(rng: random.Random, number: str) -> Foreign:
    """Return a record in a random form; `payload.w` is its number."""
    return rng.choice(FORMS)(str(uuid.UUID(int=rng.getrandbits(128), version=4)), {"w": number, "answer": 42})
