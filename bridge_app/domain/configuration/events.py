"""What is published of a change (configuration §5): one event, whoever of the workers publishes it."""

from typing import Any, Final

from bridge_app import ids
from bridge_app.domain.configuration.changes import Change, Rejection
from bridge_app.domain.configuration.keys import Key
from bridge_app.domain.configuration.notes import ADMIN_API, CONSUL_KV, Author
from bridge_app.domain.configuration.values import Value
from bridge_app.events.envelope import Event, Identity
from bridge_app.masking import mask_text

UPDATED: Final = "configuration.updated"
REJECTED: Final = "configuration.rejected"

#: What an id is made of instead of the type, when a value was deleted.
DELETED: Final = "deleted"
#: Characters of a rejected value that are shown.
SHOWN: Final = 200


def updated(change: Change, identity: Identity, now_us: int) -> Event:
    """Return the event of a change; its time is that of the request, `now_us` when it did not come over HTTP."""
    key, author = change.key, change.author
    last = DELETED if change.is_deletion else UPDATED
    info = _info(key, change.path, change.modify_index, change.previous.value, change.new.value)
    payload = {
        "change_info": {**info, **_source(author)},
        "change_impact": {"services": [key.service], "restart_required": False, "effect": key.effect},
        "rollback_info": {
            "previous_value": change.previous.value,
            "path": change.path,
            "delete": change.previous.path != change.path,
        },
    }
    event_id = ids.name_based("config", change.path, change.modify_index, last)
    event = _event(event_id, UPDATED, key, payload, identity, now_us)
    if author is not None:
        event.correlation_id, event.trace_id, event.time_us = author.correlation_id, author.trace_id, author.time_us
    return event


def rejected(rejection: Rejection, identity: Identity, now_us: int) -> Event:
    """Return the event of a value that does not count."""
    in_force, found = rejection.in_force.value, rejection.rejected
    info = _info(rejection.key, rejection.path, found.modify_index, in_force, in_force)
    payload = {
        "change_info": {**info, **_source(None)},
        "rejected_value": shown(found.raw),
        "reason": found.reason,
        "in_force": in_force,
    }
    event_id = ids.name_based("config", rejection.path, found.modify_index, REJECTED)
    return _event(event_id, REJECTED, rejection.key, payload, identity, now_us)


def shown(raw: bytes) -> str:
    """Return a rejected value as people are shown it: its beginning, printable, without users of URLs."""
    text = mask_text(raw[: 4 * SHOWN].decode(errors="replace"))
    printable = "".join(one if one.isprintable() else "\ufffd" for one in text)
    return printable if len(printable) <= SHOWN else f"{printable[:SHOWN]}…"


def _info(key: Key, path: str, modify_index: int, previous: Value, new: Value) -> dict[str, Any]:
    return {
        "configuration_key": key.dotted,
        "configuration_path": path,
        "previous_value": previous,
        "new_value": new,
        "modify_index": modify_index,
    }


def _source(author: Author | None) -> dict[str, Any]:
    if author is None:
        return {"change_source": CONSUL_KV, "changed_by": None, "change_reason": None}
    return {"change_source": ADMIN_API, "changed_by": author.changed_by, "change_reason": author.change_reason}


def _event(event_id: str, event_type: str, key: Key, payload: dict[str, Any], identity: Identity, now_us: int) -> Event:
    return Event(
        event_id=event_id,
        event_type=event_type,
        time_us=now_us,
        correlation_id=event_id,
        trace_id=event_id.replace("-", ""),
        partition_key=key.path,
        environment=identity.environment,
        source=identity.as_source(),
        source_node_id=identity.node_id,
        payload=payload,
    )
