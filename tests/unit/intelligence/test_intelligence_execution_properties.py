"""What holds for any sequence of executions and proxied calls: replays, ticks, bounds (intelligence §1, §5)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_app.events.envelope import Event
from tests.unit.intelligence.pipeline import EXTREMES, Pipeline, execution, proxied, size

patient = settings(deadline=None, max_examples=40)  # the machine may be busy

Report = tuple[str, int, int, str, float | None, float]

reports = st.lists(
    st.tuples(
        st.sampled_from(["execution", "proxied"]),
        st.integers(0, 1),  # tool
        st.integers(0, 2),  # executor, requester and session
        st.sampled_from(["success", "success", "success", "failure", "cancelled"]),
        st.none() | st.sampled_from([100, 110, 2500]) | st.floats(0, 1e9) | EXTREMES,
        st.sampled_from([0.0, 0.5, 5.0, 61.0, 1801.0]) | st.floats(0, 400),  # seconds since the one before
    ),
    max_size=60,
)
#: From a series that lives long to one that is dropped in the middle of the reports.
lives = st.sampled_from([168.0, 1.0, 0.01])


def event_of(report: Report, n: int, time_us: int) -> Event:
    kind, tool, party, outcome, time_ms, _ = report
    if kind == "proxied":
        failed = outcome == "failure"
        return proxied(f"t{tool}", f"s{party}", time_ms, n=n, time_us=time_us, failed=failed, source="shop")
    fields: dict[str, Any] = {"executor": f"s{party}", "requester": f"r{party}", "session": f"c{party}"}
    return execution(f"t{tool}", time_ms, n=n, time_us=time_us, outcome=outcome, cpu=time_ms, **fields)


def run(found: list[Report], life: float, tick_after: list[bool] | None = None, copies: int = 1) -> Pipeline:
    pipeline = Pipeline(series_ttl_hours=life)
    for number, report in enumerate(found):
        pipeline.wait(report[-1], tick=tick_after is None or tick_after[number % len(tick_after)])
        for copy in range(copies):
            event = event_of(report, number, pipeline.now_us)
            if copy and event.position:
                event.position = event.position._replace(partition=1, offset=10_000 + number)
            pipeline.take(event)
    pipeline.wait(4000)
    return pipeline


def by_id(events: list[Event]) -> dict[str, Event]:
    """Return what was published by its id: keys have several series, whose deadlines come in the order of the ticks."""
    return {event.event_id: event for event in events}


@patient
@given(reports)
def test_intelligence_18_the_same_observations_again_change_nothing(found: list[Report]) -> None:
    pipeline = run(found, 168.0)
    states, published, told = dict(pipeline.states), len(pipeline.published), len(pipeline.told)
    for key, observation in list(pipeline.observed):
        if not key.startswith("session|"):  # sessions are forgotten by now
            pipeline.apply(key, observation)
    assert pipeline.states == states
    assert (len(pipeline.published), len(pipeline.told)) == (published, told)


@patient
@given(reports, lives)
def test_intelligence_18_events_sent_twice_under_one_id_count_once(found: list[Report], life: float) -> None:
    assert run(found, life, copies=2).published == run(found, life).published


@patient
@given(reports, lives, st.lists(st.booleans(), min_size=1, max_size=7))
def test_it_does_not_matter_when_ticks_arrive(found: list[Report], life: float, tick_after: list[bool]) -> None:
    late, prompt = run(found, life, tick_after), run(found, life)
    assert by_id(late.published) == by_id(prompt.published)
    assert by_id(late.told) == by_id(prompt.told)
    assert late.states == prompt.states


@patient
@given(reports, lives)
def test_what_is_published_is_sound(found: list[Report], life: float) -> None:
    pipeline = run(found, life)
    assert len({event.event_id for event in pipeline.published}) == len(pipeline.published)
    revisions: dict[str, int] = {}
    open_patterns: set[str] = set()
    for event in pipeline.published:
        info = event.payload.get("pattern_info")
        if info:
            assert 0.7 <= info["confidence_score"] <= 0.99
            assert info["revision"] == revisions.get(info["pattern_id"], 0) + 1
            revisions[info["pattern_id"]] = info["revision"]
            is_episode = info["pattern_type"] in ("performance_anomaly", "failure_pattern")
            (open_patterns.add if is_episode and info["status"] == "active" else open_patterns.discard)(
                info["pattern_id"]
            )
    assert open_patterns == set()  # silence, or the end of the series, has closed them all


@pytest.mark.parametrize("partitions", [1, 7, 500])
def test_states_are_bounded_however_long_it_lasts(partitions: int) -> None:
    pipeline = Pipeline()
    for number in range(700):
        name = f"{number % 60:0>190}"
        for event in (
            proxied("t" * 200, "s" * 200, 123456.789 + number, n=number, source="r" * 200, failed=number % 9 == 0),
            execution(name, 1.5, n=number, session="c" * 200, requester="r" * 200, executor="s" * 200),
        ):
            assert event.position is not None
            event.time_us = pipeline.now_us
            event.position = event.position._replace(partition=number % partitions, timestamp_ms=event.time_us // 1000)
            pipeline.take(event)
        pipeline.wait(0.1, tick=False)
    assert {key.partition("|")[0] for key in pipeline.states} == {"exec", "proxy", "link", "session", "next"}
    assert max(map(size, pipeline.states.values())) <= 16 * 1024
