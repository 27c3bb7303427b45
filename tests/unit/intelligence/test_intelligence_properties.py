"""What holds for any sequence of events: replays, ticks, bounds (intelligence §1, §5)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.intelligence.pipeline import EXTREMES, SECOND, Pipeline, lifecycle, size

patient = settings(deadline=None, max_examples=50)  # the machine may be busy

Report = tuple[str, int, int, float | None, float]

reports = st.lists(
    st.tuples(
        st.sampled_from(["started", "started", "stopped", "health_changed"]),
        st.integers(0, 5),  # service
        st.integers(0, 1),  # instance
        st.none() | st.sampled_from([1000, 1200, 1500, 9000]) | st.floats(0, 1e9) | EXTREMES,
        st.sampled_from([0.0, 0.5, 8.0, 100.0, 310.0]) | st.floats(0, 400),  # seconds since the one before
    ),
    max_size=40,
)


def run(found: list[Report], tick_after: list[bool] | None = None) -> Pipeline:
    pipeline = Pipeline()
    for number, (change, service, instance, time_ms, gap) in enumerate(found):
        pipeline.wait(gap, tick=tick_after is None or tick_after[number % len(tick_after)])
        pipeline.report(
            change,
            f"s{service}",
            instance=f"i{instance}",
            startup_time_ms=time_ms,
            payload={"health_transition": {"current_status": "critical"}},
        )
    pipeline.wait(1000)
    return pipeline


def by_pattern(pipeline: Pipeline) -> dict[str, list[Any]]:
    """Return what was published, in order per key."""
    found: dict[str, list[Any]] = {}
    for event in pipeline.published:
        found.setdefault(event.partition_key, []).append(event)
    return found


@patient
@given(reports)
def test_intelligence_18_the_same_observations_again_change_nothing(found: list[Report]) -> None:
    pipeline = run(found)
    states, published = dict(pipeline.states), len(pipeline.published)
    for key, observation in list(pipeline.observed):
        pipeline.apply(key, observation)
    assert pipeline.states == states
    assert len(pipeline.published) == published


@patient
@given(reports)
def test_intelligence_18_events_sent_twice_under_one_id_count_once(found: list[Report]) -> None:
    pipeline, twice = Pipeline(), Pipeline()
    for number, (change, service, instance, time_ms, gap) in enumerate(found):
        for target in (pipeline, twice):
            target.wait(gap)
        fields: dict[str, Any] = {
            "instance": f"i{instance}", "startup_time_ms": time_ms, "time_us": pipeline.now_us
        }  # fmt: skip
        event = lifecycle(change, f"s{service}", n=number, **fields)
        pipeline.take(event)
        twice.take(event)
        again = lifecycle(change, f"s{service}", n=number, **fields)
        again.position = again.position and again.position._replace(partition=1, offset=10_000 + number)
        twice.take(again)
    assert twice.published == pipeline.published


@patient
@given(reports, st.lists(st.booleans(), min_size=1, max_size=7))
def test_it_does_not_matter_when_ticks_arrive(found: list[Report], tick_after: list[bool]) -> None:
    assert by_pattern(run(found, tick_after)) == by_pattern(run(found))


@patient
@given(reports)
def test_what_is_published_is_sound(found: list[Report]) -> None:
    pipeline = run(found)
    assert len({event.event_id for event in pipeline.published}) == len(pipeline.published)
    revisions: dict[str, int] = {}
    for event in pipeline.published:
        info = event.payload.get("pattern_info")
        if info:
            assert 0 <= info["confidence_score"] <= 0.99
            assert info["revision"] == revisions.get(info["pattern_id"], 0) + 1
            revisions[info["pattern_id"]] = info["revision"]
    observed = [pattern["phase"] for pattern in pipeline.patterns("service_initialization")]
    assert observed.count("observed") * 2 == len(observed)


@pytest.mark.parametrize("partitions", [1, 7, 500])
def test_state_is_bounded_however_long_it_lasts(partitions: int) -> None:
    pipeline = Pipeline()
    for number in range(400):
        event = lifecycle("started", "svc", n=number, startup_time_ms=number, time_us=pipeline.now_us)
        assert event.position is not None
        event.position = event.position._replace(partition=number % partitions)
        pipeline.take(event)
        pipeline.now_us += SECOND // 10
    assert size(pipeline.states["start|svc"]) <= 16 * 1024
    assert all(size(state) <= 64 * 1024 for state in pipeline.states.values())
