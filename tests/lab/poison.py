"""Records that nobody can read, and those beside them that everybody can (F8)."""

from typing import NamedTuple
from uuid import uuid4

import orjson

BIG = 1_900_000
DEEP = 500


class Poison(NamedTuple):
    """A record value that is no event, and what its dead letter says of it."""

    name: str
    value: bytes | None
    error_type: str


def _event(**fields: object) -> bytes:
    return orjson.dumps({"event_type": "build.finished", "payload": {}, **fields})


POISONS = (
    Poison("bad JSON", b'{"event_type": "build.finished", ', "INVALID_JSON"),
    Poison("not an object", b"[1]", "NOT_AN_OBJECT"),
    Poison("payload of a wrong type", _event(payload=None), "INVALID_PAYLOAD"),
    Poison("1.9 MiB", b'{"event_type": "' + b"x" * BIG, "INVALID_JSON"),
    Poison(
        "depth 500", b'{"event_type":"x","payload":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", "UNSUPPORTED_VALUE"
    ),
    Poison("bad UTF-8", b'{"event_type": "x", "payload": {"a": "\xff"}}', "INVALID_UTF8"),
    Poison("null", None, "NULL_VALUE"),
    Poison("U+0000", _event(payload={"a": "\0"}), "UNSUPPORTED_VALUE"),
)


def neighbour(*, size: int = 10) -> tuple[str, bytes]:
    """Return the id and the value of an event that is well, with a text of some size."""
    event_id = str(uuid4())
    return event_id, _event(event_id=event_id, payload={"text": "x" * size})
