"""A bad record becomes its dead letter, and the letter becomes a row (database-adapter §6)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge_app import ids
from bridge_app.domain.database_adapter.letters import LARGEST_VALUE, Failure, Letter, dead_letter, read_letter
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Identity

FAILURE = Failure(PoisonRecord("INVALID_JSON", "no JSON", {"path": "$"}), 1_700_000_001_000_000, 2)


@pytest.fixture
def letter_of(identity: Identity) -> Callable[[Any], Letter]:
    return lambda record: dead_letter(record, FAILURE, identity, ".dlq")


def test_every_field_of_a_dead_letter(make_record: Callable[..., Any], letter_of: Callable[[Any], Letter]) -> None:
    record = make_record(value=b'{"a":', partition=2, offset=7, headers=(("x", b"y"), ("x-dlq-replayed", b"1")))
    letter = letter_of(record)
    event = orjson.loads(letter.value)
    assert (letter.topic, letter.source, letter.key) == ("hooks.service_lifecycle.dlq", record.topic, b"orders")
    assert event["event_type"] == "dlq.message"
    assert event["event_id"] == ids.dead_letter(record.topic, 2, 7, 1_700_000_000_000)
    assert event["payload"] == {
        "original_topic": "hooks.service_lifecycle",
        "original_partition": 2,
        "original_offset": 7,
        "original_timestamp": "2023-11-14T22:13:20.000000Z",
        "original_key": "orders",
        "original_key_base64": None,
        "original_headers": {"x": "y", "x-dlq-replayed": "1"},
        "original_headers_base64": {},
        "original_message": '{"a":',
        "original_message_base64": None,
        "original_event": None,
        "error_type": "INVALID_JSON",
        "error_message": "no JSON",
        "error_context": {"path": "$"},
        "agent": "database_adapter",
        "failed_at": "2023-11-14T22:13:21.000000Z",
        "retry_count": 2,
    }
    headers = dict(letter.headers)
    assert {name: headers[name] for name in ("original_topic", "original_partition", "original_offset")} == {
        "original_topic": b"hooks.service_lifecycle", "original_partition": b"2", "original_offset": b"7",
    }  # fmt: skip
    assert (headers["error_type"], headers["x-dlq-replayed"]) == (b"INVALID_JSON", b"1")
    assert (headers["event_type"], headers["event_id"]) == (b"dlq.message", event["event_id"].encode())


def test_same_record_same_letter_id(make_record: Callable[..., Any], letter_of: Callable[[Any], Letter]) -> None:
    record = make_record(value=None)
    assert letter_of(record) == letter_of(record)
    assert (
        orjson.loads(letter_of(record).value)["event_id"]
        != orjson.loads(letter_of(make_record(offset=1)).value)["event_id"]
    )


def test_letter_of_an_event_inherits_from_it(
    make_record: Callable[..., Any], letter_of: Callable[[Any], Letter]
) -> None:
    event = orjson.loads(letter_of(make_record()).value)
    assert event["correlation_id"] == "test-correlation-123"
    assert event["causation_id"] == "00000000-0000-4000-8000-000000000001"
    assert event["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert event["payload"]["original_event"]["payload"] == {"service": "orders"}


def test_what_is_not_utf8_travels_in_base64(
    make_record: Callable[..., Any], letter_of: Callable[[Any], Letter]
) -> None:
    letter = letter_of(make_record(value=b"\xff\xfe", key=b"\xff", headers=(("x", b"\xfe"), ("y", b"z"))))
    payload = orjson.loads(letter.value)["payload"]
    assert (payload["original_message"], payload["original_message_base64"]) == (None, "//4=")
    assert (payload["original_key"], payload["original_key_base64"], letter.key) == (None, "/w==", b"\xff")
    assert (payload["original_headers"], payload["original_headers_base64"]) == ({"y": "z"}, {"x": "/g=="})


def test_record_without_key(make_record: Callable[..., Any], letter_of: Callable[[Any], Letter]) -> None:
    assert letter_of(make_record(value=None, key=None)).key is None


@pytest.mark.parametrize("timestamp", [-1, 2**62])
def test_record_with_an_impossible_time(
    make_record: Callable[..., Any], letter_of: Callable[[Any], Letter], timestamp: int
) -> None:
    row = read_back(make_record, letter_of(make_record(timestamp=timestamp)))
    assert row.original_timestamp.year in (1970, 9999)


def test_message_is_cut_at_2000_characters(make_record: Callable[..., Any], identity: Identity) -> None:
    failure = Failure(PoisonRecord("ROW_REJECTED", "x" * 5000), 0)
    payload = orjson.loads(dead_letter(make_record(), failure, identity, ".dlq").value)["payload"]
    assert len(payload["error_message"]) == 2000


@pytest.mark.parametrize("value", [b'{"a":"' + b"x" * 2_097_000 + b'"}', b'"\x01' * 1_000_000, b"\xff" * 4_000_000])
def test_large_letters_are_cut(
    make_record: Callable[..., Any], letter_of: Callable[[Any], Letter], value: bytes
) -> None:
    letter = letter_of(make_record(value=value))
    payload = orjson.loads(letter.value)["payload"]
    assert len(letter.value) <= LARGEST_VALUE
    assert payload["error_context"] == {"path": "$", "truncated": True}
    assert payload["original_event"] is None
    assert len(payload["original_message"] or payload["original_message_base64"]) > 300_000


def read_back(make_record: Callable[..., Any], letter: Letter, suffix: str = ".dlq") -> Any:
    record = make_record(topic=letter.topic, partition=2, offset=5, value=letter.value, key=letter.key)
    row = read_letter(record, suffix).letter
    assert row is not None
    return row


def test_row_of_a_letter(make_record: Callable[..., Any], letter_of: Callable[[Any], Letter]) -> None:
    letter = letter_of(make_record(value=b'{"a":', partition=2, offset=7))
    row = read_back(make_record, letter)
    assert row.event_id == orjson.loads(letter.value)["event_id"]
    assert (row.dlq_topic, row.dlq_partition, row.dlq_offset) == ("hooks.service_lifecycle.dlq", 2, 5)
    assert (row.original_topic, row.original_partition, row.original_offset) == ("hooks.service_lifecycle", 2, 7)
    assert (row.original_key, row.error_type, row.error_message) == ("orders", "INVALID_JSON", "no JSON")
    assert row.original_timestamp == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert (row.agent, row.failed_at) == ("database_adapter", datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC))
    assert orjson.loads(row.letter) == orjson.loads(letter.value)["payload"]


def test_row_of_a_letter_holds_no_u0000(make_record: Callable[..., Any], letter_of: Callable[[Any], Letter]) -> None:
    """The letter tells of the value that Postgres does not take, so it must not hold that value itself."""
    escaped = read_back(make_record, letter_of(make_record(value=b'{"event_type":"t","payload":{"a":"\\u0000"}}')))
    raw = read_back(make_record, letter_of(make_record(value=b"a\0b", key=b"k\0", headers=(("h\0", b"v\0"),))))
    assert "\\u0000" not in escaped.letter.replace("\\\\u0000", "")
    assert orjson.loads(escaped.letter)["original_message"] == '{"event_type":"t","payload":{"a":"\\u0000"}}'
    assert "\\u0000" not in raw.letter
    assert orjson.loads(raw.letter)["original_message_base64"] == "YQBi"
    assert raw.original_key == "k\N{REPLACEMENT CHARACTER}"


FIELDS = st.sampled_from(["event_type", "payload", "original_topic", "original_partition", "error_type", "failed_at"])
VALUES = st.recursive(
    st.none() | st.integers(-(2**63), 2**63) | st.text(), lambda inner: st.dictionaries(FIELDS, inner)
)


@given(value=st.binary() | VALUES.map(orjson.dumps))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_on_a_dead_letter_topic_has_a_row(make_record: Callable[..., Any], value: bytes) -> None:
    row = read_letter(make_record(topic="a.dlq", offset=3, value=value), ".dlq").letter
    assert row is not None
    assert (row.dlq_topic, row.dlq_offset) == ("a.dlq", 3)


def test_what_is_no_letter_is_stored_as_its_own(make_record: Callable[..., Any]) -> None:
    row = read_letter(make_record(topic="a.dlq", offset=3, value=b"not a letter"), ".dlq").letter
    assert row is not None
    assert (row.original_topic, row.original_partition, row.original_offset) == ("a", 0, 3)
    assert row.error_type == "INVALID_JSON"
    assert orjson.loads(row.letter)["original_message"] == "not a letter"
