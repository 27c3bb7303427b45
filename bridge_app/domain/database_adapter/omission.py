"""What is too long for event_logs, or not meant for it, is left out of the payload (database-adapter §3)."""

from typing import Any, Final

import orjson
from blake3 import blake3

from bridge_app.events.record import Record
from bridge_app.topics import WORKFLOW_REQUESTS

LONGEST_BYTES: Final = 32 * 1024
CONTENTS: Final = frozenset({"content", "file_content"})


def shortened(record: Record, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload with `{"$omitted": {"bytes", "blake3"}}` in the place of every text over 32 KiB.

    On `workflow.requests` also in the place of every `content` and `file_content`, whatever its size and depth. Length
    and hash are those of the text in UTF-8; of a content that is no text, those of its JSON.
    """
    has_contents = record.topic.endswith(WORKFLOW_REQUESTS.name)
    # A text is never longer than the JSON that holds it: most payloads need no second look.
    if not has_contents and len(record.value or b"") <= LONGEST_BYTES:
        return payload
    found: dict[str, Any] = _without(payload, CONTENTS if has_contents else frozenset())
    return found


def _without(value: Any, contents: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            name: _omitted(item) if name in contents and item is not None else _without(item, contents)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_without(item, contents) for item in value]
    # A character takes at most four bytes.
    if isinstance(value, str) and len(value) * 4 > LONGEST_BYTES and len(value.encode()) > LONGEST_BYTES:
        return _omitted(value)
    return value


def _omitted(value: Any) -> dict[str, Any]:
    content = value.encode() if isinstance(value, str) else orjson.dumps(value)
    return {"$omitted": {"bytes": len(content), "blake3": blake3(content).hexdigest()}}
