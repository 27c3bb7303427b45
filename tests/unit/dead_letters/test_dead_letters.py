"""Which dead letters are meant, and what a replay publishes (hooks §10)."""

from typing import Any

import orjson
import pytest

from bridge_app import ids
from bridge_app.domain.database_adapter.letters import Failure, letter_payload
from bridge_app.domain.dead_letters import MessageId, parse_id, read_discard, read_replay, replayed_record
from bridge_app.errors import NotFound, PoisonRecord, ValidationError
from tests.unit.records import record_of

FAILURE = Failure(PoisonRecord("INVALID_JSON", "no JSON"), 1)


def letter_of(value: Any, **fields: Any) -> dict[str, Any]:
    return letter_payload(record_of(value, **fields), FAILURE)


@pytest.mark.parametrize("value", [b"no JSON", b"\xff\xfe", b'{"a": "\\u0000"}', b"\0", None, b""])
def test_a_replay_publishes_the_very_bytes_that_failed(value: bytes | None) -> None:
    assert replayed_record(letter_of(value), 1, None).value == value


@pytest.mark.parametrize("given", [b"\xff\xfe", b"k\0", b"", "k\N{REPLACEMENT CHARACTER}".encode(), None])
def test_hooks_10_a_replay_publishes_the_very_key_and_headers_that_failed(given: bytes | None) -> None:
    replayed = replayed_record(letter_of(b"x", key=given, headers=[("trace-bin", given or b"")]), 1, None)
    assert (replayed.key, dict(replayed.headers)["trace-bin"]) == (given, given or b"")


def test_a_letter_of_an_earlier_release_keeps_its_key_and_headers() -> None:
    letter = letter_of(b"x", key=b"k", headers=[("a", b"b")])
    del letter["original_key_base64"], letter["original_headers_base64"]
    replayed = replayed_record(letter, 1, None)
    assert (replayed.key, dict(replayed.headers)["a"]) == (b"k", b"b")


def test_a_replay_keeps_key_headers_and_time_and_counts_itself() -> None:
    record = record_of(b"x", key=b"k", headers=[("traceparent", b"t"), ("x-dlq-replayed", b"1")])
    replayed = replayed_record(letter_payload(record, FAILURE), 2, None)
    assert (replayed.topic, replayed.key, replayed.timestamp_ms) == (record.topic, b"k", record.timestamp)
    assert dict(replayed.headers) == {
        "traceparent": b"t",
        "event_id": ids.from_position(record.topic, record.partition, record.offset, record.timestamp).encode(),
        "x-dlq-replayed": b"2",
    }


def test_an_event_id_that_was_in_the_headers_stays() -> None:
    replayed = replayed_record(letter_of(b"x", headers=[("event_id", b"own")]), 1, None)
    assert dict(replayed.headers)["event_id"] == b"own"


def test_a_value_takes_the_place_of_what_failed() -> None:
    replayed = replayed_record(letter_of(b"x", key=None), 1, {"a": 1})
    assert (replayed.key, orjson.loads(replayed.value or b"")) == (None, {"a": 1})


def test_a_letter_that_was_cut_is_replayed_with_a_value_only() -> None:
    letter = {**letter_of(b"x"), "error_context": {"truncated": True}}
    with pytest.raises(ValueError, match="give its value"):
        replayed_record(letter, 1, None)
    assert replayed_record(letter, 1, {}).value == b"{}"


@pytest.mark.parametrize(
    "text", ["", "a", "a:1", "a:b:1", "a:1:b", ":1:2", "a:-1:2", "a:1:99999999999999999999", "a\0:1:2"]
)
def test_what_is_no_id_of_a_message_names_none(text: str) -> None:
    assert parse_id(text) is None


def test_an_id_is_read_as_it_is_shown() -> None:
    message = MessageId("t:x.dlq", 1, 2)
    assert parse_id(str(message)) == message


def test_a_selection_counts_every_message_once() -> None:
    selection, value = read_replay({"ids": ["a:1:2", "a:1:2"], "value": {}}, {})
    assert (selection.ids, value) == ((MessageId("a", 1, 2),), {})


def test_what_a_corrected_event_holds_is_judged_when_it_is_read_again() -> None:
    value = {"event_type": "x", "late_ms": "no", "payload": {"late_ms": "no"}}
    assert read_replay({"ids": ["a:1:2"], "value": value}, {})[1] == value


def test_all_means_what_is_pending() -> None:
    selection, _ = read_replay({"all": True, "error_type": "X"}, {})
    assert (selection.ids, selection.status, selection.error_type, selection.force) == (None, "pending", "X", False)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], "$"),
        ({}, "$.ids"),
        ({"ids": ["a:1:2"], "all": True}, "$.ids"),
        ({"ids": [], "all": False}, "$.ids"),
        ({"ids": [3]}, "$.ids[0]"),
        ({"ids": ["x", "y"], "value": {}}, "$.value"),
        ({"all": True, "value": {}}, "$.value"),
        ({"ids": ["a:1:2", "a:1:3"], "value": {}}, "$.value"),
        ({"all": "yes"}, "$.all"),
        ({"all": True, "status": "nope"}, "$.status"),
        ({"ids": ["a:1:2"], "value": {"a": "\0"}}, "$.value.a"),
    ],
)
def test_a_bad_selection_names_the_field(body: Any, path: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read_replay(body, {})
    assert refused.value.errors[0].path == path


@pytest.mark.parametrize("text", ["x", "a:1:b", "a:1:\N{SUPERSCRIPT TWO}"])
def test_hooks_10_an_id_that_is_no_position_is_not_found(text: str) -> None:
    bodies: list[tuple[Any, dict[str, Any]]] = [(read_replay, {}), (read_discard, {"reason": "r"})]
    for read, body in bodies:
        with pytest.raises(NotFound) as refused:
            read({"ids": ["a:1:2", text], **body}, {})
        assert refused.value.details == {"messages": [text]}


def test_hooks_10_filters_are_taken_from_the_query_unless_the_body_has_them() -> None:
    params = {"status": "discarded", "error_type": "Q", "limit": "nope"}
    for body, expected in (
        ({"all": True}, ("discarded", "Q")),
        ({"all": True, "status": None, "error_type": "B"}, ("discarded", "B")),
        ({"all": True, "status": "Replayed"}, ("replayed", "Q")),
    ):
        for selection in (read_replay(body, params)[0], read_discard({**body, "reason": "r"}, params)[0]):
            assert (selection.status, selection.error_type) == expected
    with pytest.raises(ValidationError) as refused:
        read_replay({"all": True}, {"status": "nope"})
    assert refused.value.errors[0].path == "query.status"


@pytest.mark.parametrize("reason", [None, "", " ", 3])
def test_hooks_19_a_discard_needs_a_reason(reason: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        read_discard({"all": True, "reason": reason}, {})
    assert refused.value.errors[0].path == "$.reason"
