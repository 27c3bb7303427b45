"""Proxied calls that reached a target are executions of a tool there (intelligence §1)."""

from typing import Any

import pytest

from tests.unit.intelligence.pipeline import Pipeline, execution, proxied

USUAL = (150, 160, 170)


def test_a_slow_proxied_call_is_an_anomaly_of_its_tool_on_its_target() -> None:
    pipeline = Pipeline()
    for time_ms in (*USUAL, 2500):
        pipeline.call("resize", "images", time_ms)
    (info,) = pipeline.patterns("performance_anomaly")
    assert (info["series"], info["confidence_score"]) == ("proxy|resize|images", 0.9616)
    assert (info["affected_tools"], info["affected_services"]) == (["resize"], ["images"])
    assert pipeline.published[0].payload["analysis_context"]["data_sources"] == ["proxy.requests"]
    assert [event.event_type.rpartition(".")[2] for event in pipeline.published] == ["discovered", "anomaly_detected"]
    assert pipeline.published[1].partition_key == "resize"


def test_proxied_calls_that_fail_are_a_failure_pattern() -> None:
    pipeline = Pipeline()
    for _ in range(9):
        pipeline.call("resize", "images", 30_000, failed=True)
    (info,) = pipeline.patterns("failure_pattern")
    assert (info["series"], info["confidence_score"]) == ("proxy|resize|images", 0.7008)
    assert not pipeline.patterns("performance_anomaly")


def test_proxied_calls_and_executions_of_one_tool_are_two_series() -> None:
    pipeline = Pipeline()
    for time_ms in USUAL:
        pipeline.call("resize", "images", time_ms)
        pipeline.execute("resize", time_ms / 10, executor="images")
    pipeline.wait(1)
    medians = {told.payload["series"]: told.payload["metrics"][0]["median"] for told in pipeline.told}
    assert medians == {"proxy|resize|images": 160, "exec|resize|images": 16}


def test_a_proxied_call_that_names_its_source_is_a_link() -> None:
    pipeline = Pipeline()
    for number in range(5):
        pipeline.call("resize", "images", 100, source="shop", failed=number == 0)
    (link,) = pipeline.patterns("service_communication")
    assert (link["affected_services"], link["affected_tools"]) == (["images", "shop"], ["resize"])
    assert (link["pattern_data"]["calls"], link["pattern_data"]["failures"]) == (5, 1)
    assert pipeline.published[-1].payload["analysis_context"]["data_sources"] == ["proxy.requests"]
    for _ in range(5):
        pipeline.execute("resize", 100, requester="shop", executor="images")
    assert pipeline.patterns("service_communication")[-1]["pattern_data"]["calls"] == 10
    assert pipeline.published[-1].payload["analysis_context"]["data_sources"] == [
        "hooks.tool_execution", "proxy.requests",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "payload",
    [
        {"routing_decision": {"selected_instance": None}},
        {"routing_decision": "images-1"},
        {"routing_decision": {}},
        {"caching_info": {"cache_hit": True}},
        {"outcome": {"attempts": 0}},
        {"request_info": {"target_service": "images"}},
        {"request_info": {"target_service": "images", "tool_name": ""}},
        {"request_info": {"target_service": 7, "tool_name": "resize"}},
        {"request_info": {"target_service": "images", "tool_name": "t" * 201}},
        {"request_info": None},
    ],
)
def test_a_call_that_no_target_saw_or_that_names_none_is_worth_nothing(payload: dict[str, Any]) -> None:
    pipeline = Pipeline()
    pipeline.call("resize", "images", 100, source="shop", payload=payload)
    assert pipeline.states == {}


@pytest.mark.parametrize("time_ms", [None, "100", True, -1, float("inf")])
def test_a_time_in_a_wrong_form_counts_as_lacking(time_ms: Any) -> None:
    pipeline = Pipeline()
    pipeline.call("resize", "images", payload={"outcome": {"execution_time_ms": time_ms}})
    state: Any = pipeline.states["proxy|resize|images"]
    assert (state.watch.metrics, state.failures.outcomes.recent) == ({}, (False,))


def test_other_events_of_the_proxy_are_worth_nothing_and_types_are_compared_tolerantly() -> None:
    event = proxied("resize", "images", 100)
    event.event_type = "proxy.request.seen"
    pipeline = Pipeline()
    pipeline.take(event)
    assert pipeline.states == {}
    event.event_type = "Proxy.Request.Routed"
    pipeline.take(event)
    assert set(pipeline.states) == {"proxy|resize|images"}


def test_a_call_that_is_read_twice_counts_once() -> None:
    once, twice = Pipeline(), Pipeline()
    for n, time_ms in enumerate((*USUAL, 2500)):
        event = proxied("resize", "images", time_ms, n=n, source="shop")
        once.take(event)
        twice.take(event)
        twice.take(event)
    twice.take(execution("resize", 1, n=99))
    assert once.states.items() <= twice.states.items()
    assert once.published == twice.published
