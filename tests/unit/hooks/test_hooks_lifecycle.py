"""From the body of a lifecycle hook to its event (hooks §1, §2, §6, §9)."""

from copy import deepcopy
from typing import Any

import pytest

from bridge_app.domain.hooks import LIFECYCLE, Arrival, accept
from bridge_app.errors import InvalidHookType, PoisonRecord, ValidationError
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Event, Identity, encode
from tests.unit.records import record_of

SERVICE = {"name": "orders", "version": "1.0.0", "instance_id": "orders-1"}
START = {"hook_type": "service_started", "service_info": SERVICE}
EVENT_ID = "00000000-0000-4000-8000-000000000001"
IDENTITY = Identity("omninode-bridge", "0.1.0", "host-6066", "node-1", "test")


def arrival(correlation_id: str | None = None) -> Arrival:
    return Arrival(EVENT_ID, 1_705_314_600_000_000, "a" * 32, correlation_id, "generated", IDENTITY)


def event_of(body: Any, correlation_id: str | None = None) -> Event:
    return accept(LIFECYCLE, body, arrival(correlation_id))


def errors_of(body: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        event_of(body)
    return {error.path: error.message for error in caught.value.errors}


def start(**service: Any) -> dict[str, Any]:
    return {**START, "service_info": {**SERVICE, **service}}


def test_hooks_02_a_start_becomes_one_event_keyed_by_the_service() -> None:
    event = event_of(start(startup_time_ms=2000))

    assert (event.event_id, event.event_type, event.partition_key) == (EVENT_ID, "service.lifecycle.started", "orders")
    assert event.payload["service_info"] == {**SERVICE, "startup_time_ms": 2000}
    assert event.causation_id is None
    assert event.source == {"service_name": "omninode-bridge", "service_version": "0.1.0", "instance_id": "host-6066"}
    assert (event.source_node_id, event.environment) == ("node-1", "test")
    assert event.metadata == {
        "hook_id": f"hook_{EVENT_ID}",
        "hook_type": "service_started",
        "client_timestamp": None,
        "auth_id": None,
        "correlation_source": "generated",
    }


@pytest.mark.parametrize(
    ("sent", "canonical", "event_type"),
    [
        ("service_started", "service_started", "started"),
        ("SERVICE-START", "service_started", "started"),
        ("service_stop", "service_stopped", "stopped"),
        ("health-changed", "health_changed", "health_changed"),
        ("service_health_change", "health_changed", "health_changed"),
        ("Service_Health_Changed", "health_changed", "health_changed"),
    ],
)
def test_hooks_08_types_have_aliases(sent: str, canonical: str, event_type: str) -> None:
    event = event_of({**START, "hook_type": sent, "health_transition": {"current_status": "Degraded"}})

    assert event.event_type == f"service.lifecycle.{event_type}"
    assert event.metadata["hook_type"] == canonical


def test_hooks_08_a_change_of_health_needs_its_status() -> None:
    body = {**START, "hook_type": "health_changed"}

    assert errors_of(body) == {"$.health_transition": "Missing required field"}
    assert errors_of({**body, "health_change": {}}) == {"$.health_transition.current_status": "Missing required field"}
    assert errors_of({**body, "health_transition": {"current_status": "fine"}}) == {
        "$.health_transition.current_status": "Expected one of healthy, degraded, unhealthy, critical, unknown"
    }


@pytest.mark.parametrize(
    ("body", "correlation_id", "header", "source"),
    [
        ({"correlation_id": "a"}, "a", "b", "body"),
        ({}, "b", "b", "header"),
        ({}, "generated", None, "generated"),
    ],
)
def test_conventions_06_the_bodys_correlation_goes_before_the_headers(
    body: dict[str, Any], correlation_id: str, header: str | None, source: str
) -> None:
    event = event_of({**START, **body}, header)

    assert event.correlation_id == correlation_id
    assert event.metadata["correlation_source"] == source
    assert "correlation_id" not in event.payload


@pytest.mark.parametrize("correlation_id", ["x" * 256, "", "a\nb", "a\x9fb", 17, True])
def test_conventions_06_a_correlation_is_1_to_255_characters(correlation_id: Any) -> None:
    assert list(errors_of({**START, "correlation_id": correlation_id})) == ["$.correlation_id"]


def test_conventions_09_the_clients_time_is_kept_and_checked() -> None:
    event = event_of({**START, "timestamp": "2024-01-15T10:30:00.5Z"})

    assert event.metadata["client_timestamp"] == "2024-01-15T10:30:00.5Z"
    assert event.time_us == 1_705_314_600_000_000
    assert list(errors_of({**START, "timestamp": "15/01/2024"})) == ["$.timestamp"]
    assert list(errors_of({**START, "timestamp": 1705314600})) == ["$.timestamp"]


def test_hooks_04_an_unknown_type_is_named_with_all_other_problems() -> None:
    with pytest.raises(InvalidHookType) as caught:
        event_of({"hook_type": "invalid_hook_type", "invalid_payload": {"missing_required_fields": True}})

    assert caught.value.details["allowed"] == ["health_changed", "service_started", "service_stopped"]
    assert [error["path"] for error in caught.value.details["errors"]] == ["$.hook_type", "$.service_info"]


@pytest.mark.parametrize("missing", [{}, {"hook_type": None}, {"hook_type": 7}, {"hook_type": ["service_started"]}])
def test_hooks_10_a_missing_type_is_a_validation_error(missing: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        event_of({"service_info": SERVICE, **missing})

    assert caught.value.code == "VALIDATION_ERROR"
    assert caught.value.errors[0].path == "$.hook_type"


@pytest.mark.parametrize("body", [[], [START], "text", 7, None, True])
def test_hooks_10_a_body_is_an_object(body: Any) -> None:
    assert errors_of(body) == {"$": "Expected object"}


@pytest.mark.parametrize("service_info", [None, [], "orders", 7])
def test_hooks_10_service_info_is_required(service_info: Any) -> None:
    assert list(errors_of({**START, "service_info": service_info})) == ["$.service_info"]


@pytest.mark.parametrize("port", [0, 65536, "8000", 80.5, 80.0, True, 2**70])
def test_hooks_10_a_port_is_a_whole_number_in_its_range(port: Any) -> None:
    assert "$.service_info.port" in errors_of(start(port=port))


def test_hooks_10_the_message_is_that_of_the_specification() -> None:
    with pytest.raises(ValidationError) as caught:
        event_of(start(port="8000"))

    assert caught.value.message == "$.service_info.port: Expected int"


@pytest.mark.parametrize("port", [1, 65535])
def test_the_ends_of_a_range_belong_to_it(port: int) -> None:
    assert event_of(start(port=port)).payload["service_info"]["port"] == port


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "  \t"), ("name", "x" * 101), ("name", 7), ("name", "a\0b"), ("name", None),
        ("version", "x" * 51), ("instance_id", "x" * 201), ("host", "x" * 256), ("type", "x" * 4097),
        ("startup_time_ms", -1), ("startup_time_ms", "5"), ("startup_time_ms", True), ("startup_time_ms", float("inf")),
        ("warmup_seconds", -0.5), ("memory_mb", "many"), ("load_percent", []),
        ("capabilities", "all"), ("capabilities", [1]), ("capabilities", ["x"] * 1001), ("dependencies", {}),
    ],
)  # fmt: skip
def test_hooks_10_a_bad_field_of_the_service_is_named(field: str, value: Any) -> None:
    errors = errors_of(start(**{field: value}))

    assert {path.partition("[")[0] for path in errors} == {f"$.service_info.{field}"}


def test_all_errors_of_a_body_are_told_at_once() -> None:
    body = {
        "hook_type": "service_started",
        "correlation_id": "",
        "metadata": [],
        "service_info": {"name": "", "port": "8000", "capabilities": ["a", 2]},
        "startup_info": {"initialization_steps": [{"step": "a", "duration_ms": 1}, {"duration_ms": -1}, "x"]},
    }

    assert set(errors_of(body)) == {
        "$.correlation_id",
        "$.metadata",
        "$.service_info.name",
        "$.service_info.version",
        "$.service_info.instance_id",
        "$.service_info.port",
        "$.service_info.capabilities[1]",
        "$.startup_info.initialization_steps[1].step",
        "$.startup_info.initialization_steps[1].duration_ms",
        "$.startup_info.initialization_steps[2]",
    }


def test_a_body_full_of_errors_is_answered_with_a_hundred() -> None:
    assert len(errors_of(start(notes=["\0"] * 5000))) == 100


def test_a_field_that_is_null_counts_as_not_given() -> None:
    body = {**start(host=None, port=None, startup_time_ms=None), "startup_info": None, "timestamp": None}

    assert event_of(body).payload["derived"] == {"startup_time_ms": None, "startup_time_source": None}


def test_hooks_11_unknown_fields_are_kept_at_every_level() -> None:
    body = {
        **start(region="eu", labels={"a": [1, {"b": None}]}),
        "startup_info": {"initialization_steps": [{"step": "a", "duration_ms": 1, "note": "x"}], "cold": True},
        "anything": [1.5],
        "metadata": {"team": "x"},
    }

    payload = event_of(body).payload

    assert payload == {
        **{name: value for name, value in body.items() if name != "hook_type"},
        "derived": {"startup_time_ms": 1, "startup_time_source": "steps"},
    }


def test_aliases_are_renamed_and_give_way_to_the_proper_name() -> None:
    payload = event_of({**START, "startup_metrics": {"startup_time_ms": 7}}).payload
    assert payload["startup_info"] == {"startup_time_ms": 7}
    assert "startup_metrics" not in payload

    both = event_of({**START, "startup_metrics": {"a": 1}, "startup_info": {"b": 2}}).payload
    assert (both["startup_info"], both["startup_metrics"]) == ({"b": 2}, {"a": 1})


@pytest.mark.parametrize(
    ("startup_info", "service", "derived"),
    [
        ({"startup_time_ms": 5, "initialization_steps": [{"step": "a", "duration_ms": 1}]}, {"startup_time_ms": 6},
         (5, "startup_info")),
        ({"initialization_steps": [{"step": "a", "duration_ms": 1}]}, {"startup_time_ms": 6}, (6, "service_info")),
        ({"initialization_steps": [{"step": "a", "duration_ms": 100}, {"step": "b", "duration_ms": 200}]}, {},
         (300, "steps")),
        ({"initialization_steps": []}, {}, (None, None)),
        ({"startup_time_ms": 0}, {}, (0, "startup_info")),
        ({}, {}, (None, None)),
        ({"initialization_steps": [{"step": "a", "duration_ms": 1.7e308}] * 2}, {}, (None, None)),
        ({"initialization_steps": [{"step": "a", "duration_ms": 2**63 - 1}] * 2}, {}, (None, None)),
    ],
)  # fmt: skip
def test_hooks_07_the_effective_start_time_has_an_order_of_sources(
    startup_info: dict[str, Any], service: dict[str, Any], derived: tuple[Any, Any]
) -> None:
    event = event_of({**start(**service), "startup_info": startup_info})

    assert tuple(event.payload["derived"].values()) == derived
    encode(LIFECYCLE.topic, event)


def test_the_body_is_left_as_it_was() -> None:
    body = {**START, "startup_metrics": {"startup_time_ms": 1}}
    before = deepcopy(body)

    event_of(body)

    assert body == before


def test_hooks_18_a_bare_body_on_the_topic_is_the_same_event() -> None:
    body = {**START, "startup_metrics": {"startup_time_ms": 7}, "correlation_id": "c"}
    over_http = event_of(body)

    event = decode(record_of(body, topic="t1.hooks.service_lifecycle", key=None))

    assert event.payload == over_http.payload
    assert (event.event_type, event.correlation_id, event.partition_key) == ("service.lifecycle.started", "c", "orders")
    assert event.metadata == {**over_http.metadata, "hook_id": f"hook_{event.event_id}"}
    assert event.event_id == decode(record_of(body, topic="t1.hooks.service_lifecycle")).event_id


def test_hooks_18_an_invalid_bare_body_is_poison_with_its_path() -> None:
    with pytest.raises(PoisonRecord) as caught:
        decode(record_of(start(port="x"), topic="hooks.service_lifecycle"))

    assert caught.value.error_type == "INVALID_PAYLOAD"
    assert caught.value.context == {"path": "$.service_info.port"}


def test_a_bare_body_on_another_topic_has_no_type() -> None:
    with pytest.raises(PoisonRecord, match="MISSING_EVENT_TYPE"):
        decode(record_of(START, topic="proxy.requests"))
