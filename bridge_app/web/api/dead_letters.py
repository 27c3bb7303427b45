"""The routes of dead letters, described."""

from typing import Any, Final, Literal

import msgspec
import orjson

from bridge_app.domain.dead_letters import DISCARD_BODY, FILTERS, PARAMETERS, REPLAY_BODY
from bridge_app.errors import Conflict, MalformedBody, NotFound, PayloadTooLarge, UnsupportedMediaType, ValidationError
from bridge_app.json_schema import Schema
from bridge_app.web.api import examples
from bridge_app.web.api.answers import Pagination, Timestamp
from bridge_app.web.api.operation import Body, Operation
from bridge_app.web.api.payloads import DeadLetter

Status = Literal["pending", "replayed", "discarded"]


class LetterTopic(msgspec.Struct):
    """A topic with its numbers of dead letters, and when the first and the last of them failed."""

    topic: str
    pending: int
    replayed: int
    discarded: int
    oldest: Timestamp
    newest: Timestamp


class LetterTopics(msgspec.Struct):
    """The topics that have dead letters."""

    topics: list[LetterTopic]


class LetterMessage(msgspec.Struct):
    """A dead letter without its body; `id` is its position on the `.dlq` topic."""

    id: str
    event_id: str
    original_topic: str
    original_partition: int
    original_offset: int
    original_key: str | None
    original_timestamp: Timestamp | None
    error_type: str
    error_message: str | None
    agent: str | None
    failed_at: Timestamp
    status: Status
    replays: int
    reason: str | None
    resolved_by: str | None
    resolved_at: Timestamp | None


class LetterList(msgspec.Struct):
    """One page of the dead letters of a topic, the latest first."""

    messages: list[LetterMessage]
    pagination: Pagination


class WholeLetter(LetterMessage):
    """A dead letter with what it is about: every field of its payload, which is once more in `letter`."""

    original_key_base64: str | None
    original_headers: dict[str, str]
    original_headers_base64: dict[str, str]
    original_message: str | None
    original_message_base64: str | None
    original_event: dict[str, Any] | None
    error_context: dict[str, Any]
    retry_count: int
    letter: DeadLetter


class MessageResult(msgspec.Struct):
    """What became of one message; `error` says why nothing."""

    id: str
    success: bool
    error: str | None


class ReplayReceipt(msgspec.Struct):
    """What was published again."""

    replayed: int
    failed: int
    results: list[MessageResult]


class DiscardReceipt(msgspec.Struct):
    """What was set aside for good."""

    discarded: int
    failed: int
    results: list[MessageResult]


_TOPIC: Final[Schema] = {
    "type": "string",
    "description": "The topic without the suffix of its dead letters",
    "examples": ["hooks.service_lifecycle"],
}
_ID: Final = "hooks.service_lifecycle.dlq:3:7"
_MESSAGE_ID: Final[Schema] = {
    "type": "string",
    "description": "`<topic>:<partition>:<offset>` on the `.dlq` topic",
    "examples": [_ID],
}
_BODY_ERRORS: Final = (NotFound, Conflict, MalformedBody, PayloadTooLarge, UnsupportedMediaType, ValidationError)


def _message() -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(examples.letter().value)
    letter = event["payload"]
    same = (
        "original_topic", "original_partition", "original_offset", "original_key", "original_timestamp", "error_type",
        "error_message", "agent", "failed_at",
    )  # fmt: skip
    return {
        "id": _ID,
        "event_id": event["event_id"],
        **{name: letter[name] for name in same},
        "status": "pending",
        "replays": 0,
        "reason": None,
        "resolved_by": None,
        "resolved_at": None,
    }


def _letter() -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(examples.letter().value)
    return {**event["payload"], **_message(), "letter": event["payload"]}


def _topics() -> dict[str, Any]:
    time = _message()["failed_at"]
    numbers = {"pending": 1, "replayed": 0, "discarded": 0, "oldest": time, "newest": time}
    return {"topics": [{"topic": "hooks.service_lifecycle", **numbers}]}


TOPICS: Final = Operation(
    tag="dead letters",
    summary="The topics that have dead letters",
    answer=LetterTopics,
    example=_topics,
)

MESSAGES: Final = Operation(
    tag="dead letters",
    summary="The dead letters of a topic, the latest first",
    path={"topic": _TOPIC},
    query=PARAMETERS,
    answer=LetterList,
    errors=(NotFound, ValidationError),
    example=lambda: {
        "messages": [_message()],
        "pagination": {"limit": 100, "has_more": False, "next_cursor": None},
    },
)

ONE_MESSAGE: Final = Operation(
    tag="dead letters",
    summary="One dead letter, whole",
    path={"message_id": _MESSAGE_ID},
    answer=WholeLetter,
    errors=(NotFound,),
    example=_letter,
)

REPLAY: Final = Operation(
    tag="dead letters",
    summary="Publish again what failed",
    description=(
        "The record goes back to its topic with its key, its headers and its time, and answers when Kafka has it. The "
        "event keeps its id, so what was applied already has no effect. `value` replaces the value of one record. At "
        "most 10,000 messages at once. `status` and `error_type` of the body go before those of the query."
    ),
    path={"topic": _TOPIC},
    query=FILTERS,
    body=Body(REPLAY_BODY.schema(), {"some": {"ids": [_ID]}, "all": {"all": True, "error_type": "INVALID_PAYLOAD"}}),
    answer=ReplayReceipt,
    errors=_BODY_ERRORS,
    example=lambda: {"replayed": 1, "failed": 0, "results": [{"id": _ID, "success": True, "error": None}]},
)

DISCARD: Final = Operation(
    tag="dead letters",
    summary="Set dead letters aside for good",
    description="`status` and `error_type` of the body go before those of the query.",
    path={"topic": _TOPIC},
    query=FILTERS,
    body=Body(DISCARD_BODY.schema(), {"some": {"ids": [_ID], "reason": "a test of the producer"}}),
    answer=DiscardReceipt,
    errors=_BODY_ERRORS,
    example=lambda: {"discarded": 1, "failed": 0, "results": [{"id": _ID, "success": True, "error": None}]},
)
