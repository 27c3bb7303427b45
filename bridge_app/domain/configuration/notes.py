"""Who changed a value over HTTP, and why: written beside the value, in the same transaction (configuration §6)."""

from typing import NamedTuple

import msgspec

from bridge_app.domain.configuration.keys import Key
from bridge_app.domain.configuration.tree import Tree
from bridge_app.domain.hooks import is_correlation_id
from bridge_app.events.trace import is_trace_id
from bridge_app.timestamps import format_us, parse_us

CONSUL_KV, ADMIN_API = "consul_kv", "admin_api"
ANONYMOUS = "anonymous"


class Author(NamedTuple):
    """Who changes values over HTTP, why, when, and with which request; `time_us` since the epoch."""

    changed_by: str
    change_reason: str | None
    correlation_id: str
    trace_id: str
    time_us: int


class _Note(msgspec.Struct):
    changed_by: str
    change_reason: str | None
    correlation_id: str
    trace_id: str
    changed_at: str
    #: The index of the value that was deleted.
    deleted: int | None = None


def note_path(tree: Tree, key: Key) -> str:
    """Return where the note of a key is."""
    return f"{tree.prefix}.changes/{key.path}"


def write_note(author: Author, deleted: int | None) -> bytes:
    """Return a note; `deleted` is the index of the value that is deleted with it, None when one is set."""
    by, reason, correlation_id, trace_id, time_us = author
    return msgspec.json.encode(_Note(by, reason, correlation_id, trace_id, format_us(time_us), deleted))


def author_of(tree: Tree, key: Key, modify_index: int, *, is_deletion: bool) -> Author | None:
    """Return who set a value over HTTP, or deleted it; None when it came another way.

    `modify_index` is that of the value. A note that the bridge has not written is none.
    """
    entry = tree.entries.get(note_path(tree, key))
    if entry is None:
        return None
    try:
        note = msgspec.json.decode(entry.value, type=_Note)
        time_us = parse_us(note.changed_at)
    except (msgspec.MsgspecError, ValueError):
        return None
    if modify_index != (note.deleted if is_deletion else entry.modify_index):
        return None
    if not (is_correlation_id(note.correlation_id) and is_trace_id(note.trace_id)):
        return None
    return Author(note.changed_by, note.change_reason, note.correlation_id, note.trace_id, time_us)
