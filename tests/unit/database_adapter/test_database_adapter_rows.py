"""A record becomes rows (database-adapter §3, §4)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app import ids
from bridge_app.domain.database_adapter.mapping import Unmappable
from bridge_app.domain.database_adapter.records import event_class, read_event, read_untyped_event
from bridge_app.domain.database_adapter.routing import routed_rows
from bridge_app.domain.database_adapter.values import milliseconds
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Event

PATTERN_ID = "1b4e28ba-2fa1-51d2-883f-0016d3cca427"


def row_of(event: Event) -> dict[str, Any]:
    """Return the values of the one row that an event is routed to."""
    (row,) = routed_rows(event)
    return dict(row.values)


def pattern_info(**fields: Any) -> dict[str, Any]:
    return {
        "pattern_id": f"pattern_{PATTERN_ID}",
        "pattern_type": "startup_performance",
        "confidence_score": 0.75,
        **fields,
    }


def test_every_column_of_an_event(make_record: Callable[..., Any]) -> None:
    payload = {"service": "orders", "processing_time_ms": 12.6}
    row = read_event(make_record(partition=3, offset=41, payload=payload)).event
    assert row is not None
    assert row.event_id == "00000000-0000-4000-8000-000000000001"
    assert row.session_id == ids.session("test-correlation-123")
    assert (row.correlation_id, row.causation_id) == ("test-correlation-123", None)
    assert (row.event_type, row.topic, row.partition, row.offset) == (
        "service.lifecycle.started", "hooks.service_lifecycle", 3, 41,
    )  # fmt: skip
    assert row.event_key == "orders"
    assert row.timestamp == datetime(2023, 11, 14, 22, 13, 20, 1, UTC)
    assert row.kafka_timestamp == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert row.processing_time_ms == 13
    assert orjson.loads(row.payload) == payload
    assert orjson.loads(row.metadata) == {"source": "database_adapter", "event_class": "status"}


def test_session_of_the_payload_when_it_is_a_uuid(make_record: Callable[..., Any]) -> None:
    own = read_event(make_record(payload={"session_id": PATTERN_ID.upper()})).event
    other = read_event(make_record(payload={"session_id": "abc"})).event
    assert own is not None
    assert other is not None
    assert own.session_id == PATTERN_ID
    assert other.session_id == ids.session("test-correlation-123")


@pytest.mark.parametrize(("cause", "kept"), [(PATTERN_ID, PATTERN_ID), ("order-7", None), (None, None)])
def test_causation_only_when_it_is_a_uuid(make_record: Callable[..., Any], cause: str | None, kept: str | None) -> None:
    row = read_event(make_record(causation_id=cause)).event
    assert row is not None
    assert row.causation_id == kept


def test_envelope_metadata_is_kept_under_the_additions(make_record: Callable[..., Any]) -> None:
    row = read_event(make_record(metadata={"hook_id": "hook_1", "source": "elsewhere"})).event
    assert row is not None
    assert orjson.loads(row.metadata) == {"hook_id": "hook_1", "source": "database_adapter", "event_class": "status"}


@pytest.mark.parametrize(
    ("topic", "event_type", "expected"),
    [
        ("system.errors", "error.service.critical", "error"),
        ("hooks.tool_execution", "tool-execution-FAILED", "error"),
        ("p.workflow.requests", "workflow.requested", "request"),
        ("experiment.commands", "experiment.command.start", "request"),
        ("proxy.cache", "proxy.cache.warm_completed", "response"),
        ("hooks.service_lifecycle", "service.lifecycle.started", "status"),
    ],
)
def test_event_class(topic: str, event_type: str, expected: str) -> None:
    assert event_class(topic, event_type) == expected


@pytest.mark.parametrize(
    ("value", "kept"),
    [(0, 0), (12.5, 12), (2**31 - 1, 2**31 - 1), (2**31, None), (-1, None), (True, None), ("7", None), (None, None)],
)
def test_milliseconds(value: Any, kept: int | None) -> None:
    assert milliseconds(value) == kept


@given(st.floats() | st.integers())
def test_milliseconds_always_fit_the_column(value: float) -> None:
    kept = milliseconds(value)
    assert kept is None or 0 <= kept < 2**31


def test_key_that_is_no_text_is_null(make_record: Callable[..., Any]) -> None:
    for key in (None, b"\xff\xfe"):
        row = read_event(make_record(key=key)).event
        assert row is not None
        assert row.event_key is None


@pytest.mark.parametrize(
    "fields",
    [{"key": b"a\0b"}, {"payload": {"a": "x\0"}}, {"correlation_id": "c\0"}, {"event_type": "t\0"}],
)
def test_u0000_is_found_before_any_sql(make_record: Callable[..., Any], fields: dict[str, Any]) -> None:
    with pytest.raises(PoisonRecord) as caught:
        read_event(make_record(**fields))
    assert caught.value.error_type == "UNSUPPORTED_VALUE"


def test_time_that_no_column_holds(make_record: Callable[..., Any]) -> None:
    with pytest.raises(PoisonRecord) as caught:
        read_event(make_record(timestamp=2**62))
    assert caught.value.error_type == "UNSUPPORTED_VALUE"


def test_escaped_backslash_is_no_u0000(make_record: Callable[..., Any]) -> None:
    assert read_event(make_record(payload={"a": "\\u0000"})).event is not None


def test_extra_topic_needs_no_event_type(make_record: Callable[..., Any]) -> None:
    record = make_record(topic="test.raw", value={"a": 1})
    with pytest.raises(PoisonRecord, match="MISSING_EVENT_TYPE"):
        read_event(record)
    row = read_untyped_event(record).event
    assert row is not None
    assert (row.event_type, row.payload) == ("unknown", '{"a":1}')
    assert row.event_id == ids.from_position("test.raw", 0, 0, 1_700_000_000_000)
    typed = read_untyped_event(make_record(topic="test.raw")).event
    assert typed is not None
    assert typed.event_type == "service.lifecycle.started"


def test_pattern_row(make_event: Callable[..., Event]) -> None:
    event = make_event(
        event_type="INTELLIGENCE.PATTERN.DISCOVERED",
        environment="test",
        payload={"pattern_info": pattern_info(revision=3, discovery_time="2024-01-15T10:30:00.5Z", severity="low",
                                              pattern_data={"starts": 7})},
    )  # fmt: skip
    row = row_of(event)
    assert (row["pattern_id"], row["pattern_type"], row["confidence_score"]) == (
        PATTERN_ID,
        "startup_performance",
        0.75,
    )
    assert (row["status"], row["revision"], row["environment"]) == ("active", 3, "test")
    assert row["discovery_time"] == datetime(2024, 1, 15, 10, 30, 0, 500_000)  # noqa: DTZ001  # the column has no zone
    assert row["last_seen"] == datetime(2023, 11, 14, 22, 13, 20, 1)  # noqa: DTZ001
    stored = orjson.loads(row["pattern_data"])
    assert stored["pattern_id"] == f"pattern_{PATTERN_ID}"
    assert (stored["severity"], stored["evidence"]) == ("low", {"starts": 7})


def test_resolved_pattern(make_event: Callable[..., Event]) -> None:
    event = make_event(event_type="intelligence.pattern.resolved", payload={"pattern_info": pattern_info()})
    assert row_of(event)["status"] == "resolved"


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({}, "$.pattern_info"),
        ({"pattern_info": {"confidence_score": 1}}, "$.pattern_info.pattern_type"),
        ({"pattern_info": pattern_info(confidence_score=1.5)}, "$.pattern_info.confidence_score"),
    ],
)
def test_pattern_that_cannot_be_mapped_is_logged_only(
    make_event: Callable[..., Event], make_record: Callable[..., Any], payload: dict[str, Any], path: str
) -> None:
    event_type = "intelligence.pattern.discovered"
    with pytest.raises(Unmappable) as caught:
        routed_rows(make_event(event_type=event_type, payload=payload))
    assert caught.value.path == path
    entry = read_event(make_record(event_type=event_type, payload=payload))
    assert entry.routed == ()
    assert entry.event is not None
    assert orjson.loads(entry.event.metadata)["routing_error"] == path
