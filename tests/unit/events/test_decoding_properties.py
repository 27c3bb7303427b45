"""Decoding never raises anything but PoisonRecord, and reads back exactly what was encoded."""

from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_app.errors import PoisonRecord
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Event, Position, encode, text_headers
from bridge_app.events.foreign import read_foreign
from tests.unit.records import record_of

ENVELOPE = ("event_id", "event_type", "event_timestamp", "timestamp", "version", "source", "payload", "metadata",
            "correlation_id", "trace_id")  # fmt: skip
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=4)
NAMES = st.sampled_from([*ENVELOPE, "type", "id", "time", "data", "source_service", "hook_type", "service_info"])
TOPICS = st.sampled_from(["hooks.service_lifecycle", "proxy.requests"])
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["ce_type", "ce_id", "ce_time", "event_id", "traceparent", "correlation_id"]), st.binary()
    )
)
FIELDS = (*ENVELOPE, "event_version", "source_node_id", "causation_id", "environment", "partition_key")
#: Values that are nearly those of an envelope.
NEARLY = ("", None, "no UUID", "1950-01-01T00:00:00.000000Z", "2024-01-15T10:30:00.50000+01:00", "A" * 32, "0" * 32)
EVENTS = st.builds(
    Event,
    event_id=st.uuids().map(str),
    event_type=TEXT.filter(bool),
    time_us=st.integers(0, 253_402_300_799_999_999),
    correlation_id=TEXT.filter(bool),
    trace_id=st.uuids().map(lambda uuid: uuid.hex),
    partition_key=TEXT.filter(bool),
    payload=OBJECTS,
    metadata=OBJECTS,
    causation_id=st.none() | st.uuids().map(str),
    environment=TEXT,
    source=OBJECTS,
    source_node_id=st.none() | TEXT.filter(bool),
)


@given(value=st.none() | st.binary(), topic=TOPICS, headers=HEADERS)
def test_any_bytes_are_an_event_or_poison(value: Any, topic: str, headers: Any) -> None:
    _decode_or_poison(record_of(value, topic=topic, headers=headers))


@given(fields=st.dictionaries(NAMES, VALUES | OBJECTS), topic=TOPICS, headers=HEADERS)
def test_any_object_is_an_event_or_poison(fields: Any, topic: str, headers: Any) -> None:
    _decode_or_poison(record_of(fields, topic=topic, headers=headers))


@given(event=EVENTS)
def test_what_was_encoded_is_read_back(event: Event) -> None:
    record = encode("proxy.requests", event)

    read = decode(record_of(record.value, key=record.key, headers=record.headers))

    event.position = read.position
    assert read == event


@given(event=EVENTS, name=st.sampled_from(FIELDS), value=VALUES)
def test_the_short_path_reads_what_the_tolerant_one_reads(event: Event, name: str, value: Any) -> None:
    _assert_both_paths_agree(event, name, value)


@given(event=EVENTS)
@settings(max_examples=5)
def test_the_paths_agree_on_envelopes_that_are_nearly_canonical(event: Event) -> None:
    for name in FIELDS:
        for value in NEARLY:
            _assert_both_paths_agree(event, name, value)


def _assert_both_paths_agree(event: Event, name: str, value: Any) -> None:
    record = encode("proxy.requests", event)
    fields = {**orjson.loads(record.value), name: value}
    headers = text_headers(record.headers)
    position = Position("proxy.requests", 3, 42, 1_705_314_600_000)

    short = _event_or_error(lambda: decode(record_of(fields, key=record.key, headers=record.headers)))
    tolerant = _event_or_error(lambda: read_foreign(fields, headers, position, record.key))

    assert short == tolerant


def _event_or_error(read: Callable[[], Event]) -> Event | str:
    try:
        return read()
    except PoisonRecord as error:
        return error.error_type


def _decode_or_poison(record: Any) -> None:
    try:
        event = decode(record)
    except PoisonRecord:
        return
    again = encode(record.topic, event)  # what was accepted can be written again
    assert orjson.loads(again.value)["payload"] == event.payload
