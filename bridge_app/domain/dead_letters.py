"""Dead letters as operators see them (hooks §10): which are meant, and what a replay publishes."""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from bridge_app import ids
from bridge_app.cursors import TimeCursor, cursor_parameter
from bridge_app.domain.database_adapter.letters import REPLAYED_HEADER
from bridge_app.errors import FieldError, NotFound, ValidationError
from bridge_app.events.fields import Array, Choice, Errors, Flag, Object, Rule, Text
from bridge_app.json_values import unstorable
from bridge_app.parameters import DEFAULT_LIMIT, Reader, choice_parameter, limit_parameter, text_parameter
from bridge_app.timestamps import parse_us

PENDING, REPLAYED, DISCARDED = STATUSES = ("pending", "replayed", "discarded")
EVENT_ID_HEADER: Final = "event_id"

STATUS = choice_parameter("status", "Only this status.", *STATUSES)
ERROR_TYPE = text_parameter("error_type", "Only this type of error.", "INVALID_JSON")
LIMIT = limit_parameter("Messages per page.")
CURSOR = cursor_parameter(TimeCursor)
#: What chooses among the dead letters of a topic, in a list, a replay or a discard.
FILTERS: Final = (STATUS, ERROR_TYPE)
#: All that `parse_query` reads.
PARAMETERS: Final = (*FILTERS, LIMIT, CURSOR)

_MESSAGE_ID: Final = Text(1, 400)
_CHOICE: Final[Mapping[str, Rule]] = {
    "ids": Array(_MESSAGE_ID),
    "all": Flag(),
    "status": Choice(STATUSES),
    "error_type": Text(1, 255),
    "force": Flag(),
}
REPLAY_BODY: Final = Object({**_CHOICE, "value": Object(quantities=False)})
DISCARD_BODY: Final = Object({**_CHOICE, "reason": Text(1)}, required=("reason",))


class MessageId(NamedTuple):
    """Where a dead letter stands on its `.dlq` topic."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class ReplayedRecord(NamedTuple):
    """A Kafka record to be published again; `topic` is the broker's name."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: list[tuple[str, bytes]]


class LetterQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One question about the dead letters of a topic; `after` is where the page before it ended."""

    status: str | None = None
    error_type: str | None = None
    limit: int = DEFAULT_LIMIT
    after: tuple[int, str] | None = None

    def question(self, topic: str) -> str:
        """Return a fingerprint of topic and filters: a cursor belongs to one."""
        return ids.name_based(topic, self.status, self.error_type)

    def next_cursor(self, topic: str, place: tuple[int, str], now_us: int) -> str:
        """Return the cursor of the page after the one that ends at a place."""
        return TimeCursor(now_us, self.question(topic), place).encode()


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters of a topic are meant: some by their ids, else all with a status and a type of error."""

    ids: tuple[MessageId, ...] | None = None
    status: str | None = None
    error_type: str | None = None
    force: bool = False


def parse_query(params: Mapping[str, str], topic: str, now_us: int) -> LetterQuery:
    """Return the question of the query parameters.

    Raises:
        ValidationError: naming every parameter that is wrong.
    """
    read = Reader(params)
    query = LetterQuery(status=read.value(STATUS), error_type=read.value(ERROR_TYPE), limit=read.value(LIMIT))
    cursor: TimeCursor | None = read.value(CURSOR)
    if cursor is not None:
        read.check(CURSOR, cursor.problem(query.question(topic), now_us))
    read.finish()
    return query if cursor is None else msgspec.structs.replace(query, after=cursor.place)


def parse_id(text: str) -> MessageId | None:
    """Return the position that an id names, None when it names none."""
    topic, _, rest = text.rpartition(":")
    topic, _, partition = topic.rpartition(":")
    if not (partition.isdecimal() and rest.isdecimal() and len(partition) < 10 and len(rest) < 19):
        return None
    if not topic or "\0" in topic:  # no topic has it in its name, and Postgres takes no text with it
        return None
    return MessageId(topic, int(partition), int(rest))


def read_replay(body: Any, params: Mapping[str, str]) -> tuple[Selection, dict[str, Any] | None]:
    """Return what is to be replayed, and what is to be published instead of what failed.

    The filters are those of the body, else those of the query parameters.

    Raises:
        ValidationError: the body or a parameter breaks its contract.
        NotFound: an id that is no position, so that no message has it.
    """
    selection, read = _read(body, params, REPLAY_BODY)
    return selection, read.get("value")


def read_discard(body: Any, params: Mapping[str, str]) -> tuple[Selection, str]:
    """Return what is to be discarded, and why. Takes filters, and raises, as `read_replay`."""
    selection, read = _read(body, params, DISCARD_BODY)
    return selection, read["reason"]


def _read(body: Any, params: Mapping[str, str], rules: Object) -> tuple[Selection, dict[str, Any]]:
    query = Reader(params)
    status, error_type = query.value(STATUS), query.value(ERROR_TYPE)
    query.finish()
    errors: Errors = []
    read = rules.read(body, None, errors)
    errors += unstorable(body)
    if not errors:
        given = [name for name in ("ids", "all") if read.get(name)]
        if len(given) != 1:
            errors.append(FieldError("$.ids", "Expected either ids, at least one, or all: true"))
    named = None if errors or not read.get("ids") else tuple(dict.fromkeys(read["ids"]))
    if not errors and read.get("value") is not None and (named is None or len(named) != 1):
        errors.append(FieldError("$.value", "Expected only together with one id"))
    if errors:
        raise ValidationError(errors)
    selection = Selection(
        ids=None if named is None else _positions(named),
        status=(read.get("status") or status or PENDING).lower(),
        error_type=read.get("error_type") or error_type,
        force=read.get("force") or False,
    )
    return selection, read


def _positions(named: Sequence[str]) -> tuple[MessageId, ...]:
    found = {text: parse_id(text) for text in named}
    unknown = [text for text, position in found.items() if position is None]
    if unknown:
        raise NotFound(f"There is no message {unknown[0]}", details={"messages": unknown})
    return tuple(dict.fromkeys(position for position in found.values() if position is not None))


def replayed_record(letter: Mapping[str, Any], replays: int, value: dict[str, Any] | None) -> ReplayedRecord:
    """Return the record that failed, as it is published again for the `replays`-th time; `value` replaces its value.

    `letter` is the payload of the dead letter. The event keeps its id: one that its position gave it travels in a
    header. It keeps its time as well.

    Raises:
        ValueError: the letter does not hold the whole record.
    """
    topic, timestamp_ms = letter["original_topic"], parse_us(letter["original_timestamp"]) // 1000
    headers = _headers_of(letter)
    position = letter["original_partition"], letter["original_offset"]
    headers.setdefault(EVENT_ID_HEADER, ids.from_position(topic, *position, timestamp_ms).encode())
    headers[REPLAYED_HEADER] = str(replays).encode()
    return ReplayedRecord(
        topic,
        _bytes_of(letter, "original_key"),
        _value_of(letter) if value is None else orjson.dumps(value),
        timestamp_ms,
        list(headers.items()),
    )


def _headers_of(letter: Mapping[str, Any]) -> dict[str, bytes]:
    headers = {name: text.encode() for name, text in (letter.get("original_headers") or {}).items()}
    for name, encoded in (letter.get("original_headers_base64") or {}).items():
        headers[name] = b64decode(encoded)
    headers.pop(REPLAYED_HEADER, None)
    return headers


def _value_of(letter: Mapping[str, Any]) -> bytes | None:
    if (letter.get("error_context") or {}).get("truncated"):
        raise ValueError("The letter holds only the beginning of the record: give its value")
    return _bytes_of(letter, "original_message")


def _bytes_of(letter: Mapping[str, Any], name: str) -> bytes | None:
    """Return what a letter keeps under a name, in base64 where text would not give it back."""
    text, encoded = letter.get(name), letter.get(f"{name}_base64")
    if encoded is not None:
        return b64decode(encoded)
    return None if text is None else str(text).encode()
