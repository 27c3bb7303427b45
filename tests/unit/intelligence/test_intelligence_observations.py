"""Stage 1 (intelligence §1): what is observed of an event, and of whose time it is."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app import ids
from bridge_app.domain.intelligence.detectors import DetectorConfig, Detectors
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Derived, Event
from tests.unit.intelligence.pipeline import ENVIRONMENT, SECOND, START_US, Pipeline, lifecycle

DETECTORS = Detectors(DetectorConfig(environment=ENVIRONMENT))
MINUTE = 60 * SECOND


def observe(event: Event) -> dict[str, Derived]:
    return {derived.key: derived for derived in DETECTORS.observe(event)}


@pytest.mark.parametrize(
    ("change", "time_ms", "keys"),
    [
        ("started", 2500, ["start|svc", f"cohort|{ENVIRONMENT}"]),
        ("started", 0, ["start|svc", f"cohort|{ENVIRONMENT}"]),
        ("started", None, ["start|svc"]),
        ("stopped", None, ["start|svc"]),
        ("health_changed", None, ["start|svc"]),
    ],
)
def test_keys_of_observations(change: str, time_ms: int | None, keys: list[str]) -> None:
    found = observe(lifecycle(change, "svc", startup_time_ms=time_ms))
    assert list(found) == keys


def test_an_observation_names_its_cause_and_where_that_stands() -> None:
    event = lifecycle("started", "svc", n=7, startup_time_ms=2500)
    for key, derived in observe(event).items():
        assert derived.topic == "intelligence.observations"
        assert derived.event_type == "intelligence.observation"
        assert (derived.cause.event_id, derived.cause.time_us) == (event.event_id, event.time_us)
        assert (derived.cause.correlation_id, derived.cause.trace_id) == (event.correlation_id, event.trace_id)
        assert derived.payload["cause_id"] == event.event_id
        assert derived.payload["origin"] == {"topic": "hooks.service_lifecycle", "partition": 0, "offset": 7}
        assert derived.subject == key


def test_other_events_are_not_observed() -> None:
    assert not DETECTORS.observe(lifecycle("moved", "svc"))


def test_event_types_are_compared_without_case_and_dashes() -> None:
    event = lifecycle("health-changed", "svc")
    event.event_type = event.event_type.upper()
    assert list(observe(event)) == ["start|svc"]


@pytest.mark.parametrize(
    ("shift_us", "expected_us"),
    [
        (5 * MINUTE, START_US + 5 * MINUTE),
        (-5 * MINUTE, START_US - 5 * MINUTE),
        (5 * MINUTE + 1, START_US),
        (-5 * MINUTE - 1, START_US),
    ],
)
def test_a_time_far_from_that_of_the_record_is_replaced(shift_us: int, expected_us: int) -> None:
    event = lifecycle("started", "svc", startup_time_ms=1)
    event.time_us += shift_us
    assert {derived.cause.time_us for derived in observe(event).values()} == {expected_us}


@pytest.mark.parametrize(
    ("payload", "time_ms", "source"),
    [
        (
            {"startup_info": {"startup_time_ms": 3}, "service_info": {"name": "s", "startup_time_ms": 4}},
            3,
            "startup_info",
        ),
        ({"service_info": {"name": "s", "startup_time_ms": 4.5}, "startup_info": None}, 4.5, "service_info"),
        (
            {
                "service_info": {"name": "s"},
                "startup_info": {
                    "initialization_steps": [{"step": "a", "duration_ms": 100}, {"step": "b", "duration_ms": 200}]
                },
            },
            300,
            "steps",
        ),
        ({"service_info": {"name": "s", "startup_time_ms": 4}, "derived": {"startup_time_ms": None}}, None, None),
        ({"service_info": {"name": "s"}}, None, None),
    ],
)
def test_the_start_time_of_events_by_other_producers(payload: dict[str, Any], time_ms: float, source: str) -> None:
    event = msgspec.structs.replace(lifecycle("started", "s"), payload=payload)
    found = observe(event)["start|s"].payload
    assert (found["startup_time_ms"], found["startup_time_source"]) == (time_ms, source)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"service_info": None},
        {"service_info": {"name": ""}},
        {"service_info": {"name": "x" * 101}},
        {"service_info": {"name": "s", "startup_time_ms": "2500"}},
        {"service_info": {"name": "s"}, "startup_info": {"startup_time_ms": -1}},
        {"service_info": {"name": "s"}, "startup_info": {"startup_time_ms": True}},
        {"service_info": {"name": "s"}, "startup_info": {"initialization_steps": [{"step": "a"}]}},
    ],
)
def test_an_unusable_payload_is_set_aside(payload: dict[str, Any]) -> None:
    event = msgspec.structs.replace(lifecycle("started", "s"), payload=payload)
    with pytest.raises(PoisonRecord, match="INVALID_PAYLOAD"):
        DETECTORS.observe(event)


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
nearly_lifecycle = st.fixed_dictionaries(
    {"service_info": st.fixed_dictionaries({"name": st.text(min_size=1)}, optional={"startup_time_ms": json})},
    optional={
        "startup_info": st.fixed_dictionaries({}, optional={"startup_time_ms": json, "initialization_steps": json}),
        "derived": json,
    },
)


@given(nearly_lifecycle | st.dictionaries(st.text(), json))
def test_any_payload_is_observed_or_set_aside(payload: dict[str, Any]) -> None:
    with suppress(PoisonRecord):
        Pipeline().take(msgspec.structs.replace(lifecycle("started", "s"), payload=payload))


@pytest.mark.parametrize("key", ["start|svc", "cohort|here", "exec|tool|", "", "tick"])
def test_what_is_no_observation_is_set_aside_in_stage_2(key: str) -> None:
    event = lifecycle("started", "svc")
    with pytest.raises(PoisonRecord, match="INVALID_PAYLOAD"):
        DETECTORS.step(key, None, event)


def test_at_most_50_steps_are_reported_but_the_slowest_is_of_all() -> None:
    pipeline = Pipeline()
    steps = [{"step": f"step-{number}", "duration_ms": number} for number in range(60)]
    event, _ = pipeline.start("svc", 2500, steps=steps)
    evidence = event.payload["pattern_info"]["pattern_data"]
    assert [step["step"] for step in evidence["steps"]] == [f"step-{number}" for number in range(50)]
    assert evidence["slowest_step"]["step"] == "step-59"


def test_observation_ids_differ_by_key() -> None:
    event = lifecycle("started", "svc", startup_time_ms=1)
    kinds = [f"{derived.event_type}:{derived.subject}" for derived in DETECTORS.observe(event)]
    assert len({ids.derived(event.event_id, kind) for kind in kinds}) == 2
