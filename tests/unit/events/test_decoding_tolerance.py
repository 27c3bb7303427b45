"""Every line of the table of conventions §1, and what becomes of a record that cannot be read."""

import json
from typing import Any

import pytest

from bridge_app import ids
from bridge_app.errors import PoisonRecord
from bridge_app.events.decoding import decode
from tests.unit.records import record_of

UUID = "00000000-0000-4000-8000-000000000001"
FROM_POSITION = ids.name_based("proxy.requests:3:42:1705314600000")
PAYLOAD = {"namespace": "n", "count": 3}
ENVELOPE = {
    "event_id": UUID,
    "event_type": "demo.thing.happened",
    "event_timestamp": "2024-01-15T10:30:00.5Z",
    "correlation_id": "c-1",
    "payload": PAYLOAD,
}
KAFKA_TIME_US = 1_705_314_600_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"


def without(*names: str, **other: Any) -> dict[str, Any]:
    return {name: value for name, value in {**ENVELOPE, **other}.items() if name not in names}


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        pytest.param(ENVELOPE, (), id="envelope"),
        pytest.param(
            {"event_id": UUID, "event_type": "demo.thing.happened", "timestamp": "2024-01-15 10:30:00.5",
             "version": "2", "source_service": "s", "correlation_id": "c-1", **PAYLOAD},
            (), id="BaseEvent",
        ),
        pytest.param(
            {"envelope_version": "1.0", "event_id": UUID, "event_type": "demo.thing.happened", "source_node_id": "n-1",
             "timestamp": "2024-01-15T11:30:00.500000+01:00", "correlation_id": "c-1", "payload": PAYLOAD},
            (), id="OnexEnvelopeV1",
        ),
        pytest.param(
            {"specversion": "1.0", "id": UUID, "type": "demo.thing.happened", "source": "/s", "correlation_id": "c-1",
             "time": "2024-01-15T10:30:00.5Z", "datacontenttype": "application/json", "data": PAYLOAD},
            (), id="CloudEvent structured",
        ),
        pytest.param(
            PAYLOAD,
            (("ce_id", UUID.encode()), ("ce_type", b"demo.thing.happened"), ("ce_source", b"/s"),
             ("ce_time", b"2024-01-15T10:30:00.5Z"), ("correlation_id", b"c-1")),
            id="CloudEvent binary",
        ),
        pytest.param(json.dumps(ENVELOPE), (), id="JSON in a JSON string"),
    ],
)  # fmt: skip
def test_conventions_12_the_same_content_in_any_envelope_is_the_same_event(value: Any, headers: Any) -> None:
    event = decode(record_of(value, headers=headers))

    assert event.event_id == UUID
    assert event.event_type == "demo.thing.happened"
    assert event.time_us == 1_705_314_600_500_000
    assert event.correlation_id == "c-1"
    assert event.payload == PAYLOAD
    assert event.position == ("proxy.requests", 3, 42, 1_705_314_600_000)


def test_conventions_12_types_are_compared_without_regard_to_case_and_hyphens() -> None:
    for spelled in ("NODE_HEARTBEAT", "node-heartbeat", "node_heartbeat"):
        event = decode(record_of({**ENVELOPE, "event_type": spelled}))
        assert event.event_type == spelled
        assert event.normal_type == "node_heartbeat"


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"source": "svc"}, {"service_name": "svc"}),
        ({"source": {"service_name": "a", "x": 1}}, {"service_name": "a", "x": 1}),
        (
            {"source_service": "s", "source_version": "1", "source_instance": "i"},
            {"service_name": "s", "service_version": "1", "instance_id": "i"},
        ),
        ({}, {}),
    ],
)
def test_a_source_is_read_as_text_as_an_object_or_from_its_parts(given: dict[str, Any], source: dict[str, Any]) -> None:
    assert decode(record_of({**ENVELOPE, **given})).source == source


def test_older_names_stand_in_for_those_of_the_envelope() -> None:
    event = decode(record_of(without("event_timestamp", timestamp=1705314600, version="2.1", source_node="n-7")))

    assert (event.time_us, event.event_version, event.source_node_id) == (KAFKA_TIME_US, "2.1", "n-7")


def test_a_flat_object_is_the_payload_without_the_fields_of_the_envelope() -> None:
    value = without("payload", name="a", id="thing-1", time="noon", metadata={"m": 1})

    event = decode(record_of(value))

    assert event.payload == {"name": "a", "id": "thing-1", "time": "noon"}
    assert event.metadata == {"m": 1}


def test_two_flat_events_about_one_thing_are_two_events() -> None:
    event = decode(record_of({"event_type": "t", "id": "thing-1"}))

    assert event.event_id == FROM_POSITION


@pytest.mark.parametrize(
    ("value", "headers", "event_id", "original"),
    [
        (without("event_id"), (), FROM_POSITION, None),
        (without("event_id"), (("event_id", UUID.encode()),), UUID, None),
        (without(event_id="abc"), (), ids.from_text("abc"), "abc"),
        (without(event_id=17), (), ids.from_text("17"), "17"),
        (without(event_id=""), (), FROM_POSITION, None),
        (without(event_id=UUID.replace("-", "").upper()), (), UUID, None),
    ],
)
def test_an_event_without_a_uuid_gets_one_that_is_always_the_same(
    value: Any, headers: Any, event_id: str, original: str | None
) -> None:
    event = decode(record_of(value, headers=headers))

    assert event.event_id == event_id
    assert event.metadata.get("original_event_id") == original


@pytest.mark.parametrize(
    ("given", "time_us"),
    [
        (None, KAFKA_TIME_US),
        (1705314600.25, 1_705_314_600_250_000),
        (99_999_999_999, 99_999_999_999_000_000),
        (100_000_000_000, 100_000_000_000_000),
        (1_705_314_600_123, 1_705_314_600_123_000),
        ("2024-01-15T10:30:00.123456789+02:00", 1_705_307_400_123_456),
        ("15/01/2024", KAFKA_TIME_US),
        ("1950-01-01T00:00:00.000000Z", KAFKA_TIME_US),
        (True, KAFKA_TIME_US),
        (1e300, KAFKA_TIME_US),
        (1.7e308, KAFKA_TIME_US),
        (-1e306, KAFKA_TIME_US),
    ],
)
def test_a_time_is_read_from_text_seconds_and_milliseconds(given: Any, time_us: int) -> None:
    assert decode(record_of({**ENVELOPE, "event_timestamp": given})).time_us == time_us


def test_a_record_of_a_time_after_the_year_9999_is_poison_for_every_reader() -> None:
    decode(record_of(without("event_timestamp"), timestamp=253_402_300_799_999))
    with pytest.raises(PoisonRecord) as caught:
        decode(record_of(ENVELOPE, timestamp=253_402_300_800_000))
    assert (caught.value.error_type, caught.value.context) == ("UNSUPPORTED_VALUE", {"path": "timestamp"})


@pytest.mark.parametrize(("value", "payload"), [('{"a":1}', {"a": 1}), ("text", {"value": "text"})])
def test_a_binary_cloud_event_may_hold_json_in_a_json_string(value: str, payload: dict[str, Any]) -> None:
    assert decode(record_of(value, headers=(("ce_type", b"t"),))).payload == payload


def test_a_time_that_is_none_is_kept() -> None:
    event = decode(record_of({**ENVELOPE, "event_timestamp": "15/01/2024"}))

    assert event.metadata == {"original_timestamp": "15/01/2024"}


@pytest.mark.parametrize(
    ("given", "headers", "correlation_id"),
    [
        ("c", (("correlation_id", b"h"),), "c"),
        (17, (), "17"),
        (None, (("correlation_id", b"h"),), "h"),
        (None, (), UUID),
        ([], (), UUID),
    ],
)
def test_the_correlation_is_the_events_the_headers_or_the_events_id(
    given: Any, headers: Any, correlation_id: str
) -> None:
    assert decode(record_of({**ENVELOPE, "correlation_id": given}, headers=headers)).correlation_id == correlation_id


@pytest.mark.parametrize(
    ("given", "headers", "trace_id"),
    [
        (TRACE, (), TRACE),
        (TRACE.upper(), (), TRACE),
        ("x", (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode()),), TRACE),
        (None, (("traceparent", b"00-bad"),), UUID.replace("-", "")),
        (None, (("traceparent", b"\xff"),), UUID.replace("-", "")),
    ],
)
def test_the_trace_is_the_events_the_headers_or_made_of_its_id(given: Any, headers: Any, trace_id: str) -> None:
    assert decode(record_of({**ENVELOPE, "trace_id": given}, headers=headers)).trace_id == trace_id


@pytest.mark.parametrize("payload", [[1, 2], "text", 7, False])
def test_a_payload_that_is_no_object_is_wrapped(payload: Any) -> None:
    assert decode(record_of({**ENVELOPE, "payload": payload})).payload == {"value": payload}


def test_the_key_of_the_record_stands_in_for_a_partition_key() -> None:
    assert decode(record_of(ENVELOPE, key="ü".encode())).partition_key == "ü"
    assert decode(record_of(ENVELOPE, key=None)).partition_key == ""


@pytest.mark.parametrize(
    ("value", "error_type"),
    [
        (None, "NULL_VALUE"),
        (b'{"event_type": "\xff"}', "INVALID_UTF8"),
        (b'{"event_type": "t"', "INVALID_JSON"),
        (b"", "INVALID_JSON"),
        (b'{"event_type": "t", "payload": {"x": NaN}}', "INVALID_JSON"),
        (b"\xef\xbb\xbf{}", "INVALID_JSON"),
        (b"[]", "NOT_AN_OBJECT"),
        (b"null", "NOT_AN_OBJECT"),
        (b'"hello"', "NOT_AN_OBJECT"),
        (b'"\\"{}\\""', "NOT_AN_OBJECT"),
        (b'{"payload": {}}', "MISSING_EVENT_TYPE"),
        (b'{"event_type": "", "payload": {}}', "MISSING_EVENT_TYPE"),
        (b'{"event_type": 7, "payload": {}}', "MISSING_EVENT_TYPE"),
        (b'{"event_type": "t", "payload": null}', "INVALID_PAYLOAD"),
        (b'{"event_type": "t", "payload": {"x": 1e999}}', "UNSUPPORTED_VALUE"),
        (b'{"event_type": "t", "payload": {"x": "\\ud800"}}', "UNSUPPORTED_VALUE"),
        (b'{"event_type": "t", "payload": {"x": "a\\u0000b"}}', "UNSUPPORTED_VALUE"),
        (b'{"event_type": "t", "payload": {"a\\u0000b": 1}}', "UNSUPPORTED_VALUE"),
        (b'"{\\"event_type\\": \\"t\\", \\"x\\": \\"\\\\u0000\\"}"', "UNSUPPORTED_VALUE"),
        (b'{"event_type": "t", "payload": ' + b"[" * 500 + b"]" * 500 + b"}", "UNSUPPORTED_VALUE"),
        (b"[" * 5000 + b"]" * 5000, "UNSUPPORTED_VALUE"),
        (b'{"event_type": "t", "payload": {"x": ' + b"9" * 5000 + b"}}", "UNSUPPORTED_VALUE"),
    ],
)
def test_conventions_13_what_cannot_be_read_is_named(value: bytes | None, error_type: str) -> None:
    with pytest.raises(PoisonRecord) as caught:
        decode(record_of(value))

    assert caught.value.error_type == error_type


def test_a_backslash_before_u0000_is_only_a_text() -> None:
    value = b'{"event_type": "t", "payload": {"x": "\\\\u0000"}}'

    assert decode(record_of(value)).payload == {"x": "\\u0000"}
