"""What becomes of tool executions (intelligence §3, §4.3, §5; Acceptance 4, 9, 12, 13, 15, 16)."""

from typing import Any

import pytest

from bridge_app.domain.intelligence.episode import Sighting, further, opened
from bridge_app.domain.intelligence.failures import Outcomes, alarm
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Cause, Event
from tests.unit.intelligence.pipeline import Pipeline, execution, size

ORDINARY = [(150, 30, 100), (160, 32, 105), (170, 34, 110)]


def types(events: list[Event]) -> list[str]:
    return [event.event_type.removeprefix("intelligence.") for event in events]


def degraded() -> tuple[Pipeline, list[Event]]:
    """Return a pipeline after the seed's four executions, and what the last one published."""
    pipeline = Pipeline()
    for time_ms, cpu, memory in ORDINARY:
        assert pipeline.execute("t", time_ms, cpu=cpu, memory=memory) == []
    return pipeline, pipeline.execute("t", 2500, cpu=85, memory=450)


def test_intelligence_04_a_slow_execution_is_an_anomaly() -> None:
    _, published = degraded()
    assert types(published) == ["pattern.discovered", "performance.anomaly_detected"]
    pattern, anomaly = (event.payload for event in published)
    info = pattern["pattern_info"]
    assert (info["pattern_type"], info["confidence_score"], info["severity"]) == (
        "performance_anomaly", 0.9616, "critical",
    )  # fmt: skip
    assert info["discovery_method"] == "ratio_rule"
    assert (info["affected_tools"], info["revision"], info["occurrences"]) == (["t"], 1, 1)
    assert info["recommendations"]
    limits = {one["metric"]: one["upper_limit"] for one in info["pattern_data"]["flagged"]}
    assert limits == {"execution_time_ms": 480, "memory_peak_mb": 315}
    assert pattern["analysis_context"]["data_sources"] == ["hooks.tool_execution"]

    assert anomaly["anomaly_info"]["anomaly_type"] == "response_time_spike"
    assert anomaly["anomaly_info"]["anomaly_id"] == info["pattern_id"]
    assert anomaly["metrics_data"]["degradation_factor"] == 15.625
    assert anomaly["explanation"]["upper_limit"] == 480
    assert anomaly["root_cause_analysis"]["probable_causes"][0]["cause"] == "memory_pressure"
    assert published[1].partition_key == "t"


def test_intelligence_09_each_executor_has_a_baseline_of_its_own() -> None:
    for executors in (("a", "b"), (None, None)):
        pipeline = Pipeline()
        for _ in range(60):
            pipeline.execute("t", 100, executor=executors[0])
            pipeline.execute("t", 1000, executor=executors[1])
        assert not pipeline.patterns("performance_anomaly")
        assert not pipeline.patterns("performance_trend")
        assert {key for key in pipeline.states if key.startswith("exec|")} == {
            f"exec|t|{who or ''}" for who in executors
        }


def test_intelligence_12_one_problem_is_one_pattern_that_ends_and_comes_back() -> None:
    pipeline, opened = degraded()
    assert pipeline.execute("t", 2600) == []
    assert pipeline.execute("t", 155) == []
    assert pipeline.execute("t", 160) == []
    closed = pipeline.execute("t", 165)
    assert types(closed) == ["pattern.resolved", "performance.recovered"]
    resolved = closed[0].payload["pattern_info"]
    assert (resolved["status"], resolved["occurrences"], resolved["revision"]) == ("resolved", 2, 2)
    assert resolved["pattern_data"]["explanation"]["observed"] == 2500, "the surest"
    assert resolved["pattern_data"]["peak"] == {"execution_time_ms": 2600, "memory_peak_mb": 450}
    assert resolved["resolution"]["reason"] == "recovered"

    pipeline.wait(30)
    again = pipeline.execute("t", 2500)[0].payload["pattern_info"]
    assert again["pattern_id"] == opened[0].payload["pattern_info"]["pattern_id"]
    assert (again["status"], again["revision"], again["occurrences"]) == ("active", 3, 3)


def test_after_the_cool_down_it_is_another_pattern() -> None:
    pipeline, opened = degraded()
    for time_ms in (150, 155, 160):
        pipeline.execute("t", time_ms)
    pipeline.wait(61)
    again = pipeline.execute("t", 2500)[0].payload["pattern_info"]
    assert again["pattern_id"] != opened[0].payload["pattern_info"]["pattern_id"]
    assert again["revision"] == 1


def test_values_that_are_neither_bad_nor_good_delay_the_end() -> None:
    pipeline, _ = degraded()
    published = [pipeline.execute("t", time_ms) for time_ms in (155, 160, 400, 155, 160)]
    assert published == [[]] * 5
    assert types(pipeline.execute("t", 165)) == ["pattern.resolved", "performance.recovered"]


def test_an_anomaly_that_lasts_is_revised_once_per_cool_down() -> None:
    pipeline, _ = degraded()
    revisions = []
    for _ in range(20):
        pipeline.wait(10)
        revisions += pipeline.execute("t", 2500)
    assert types(revisions) == ["pattern.discovered"] * 3
    assert [event.payload["pattern_info"]["revision"] for event in revisions] == [2, 3, 4]


def test_silence_ends_an_anomaly_at_its_deadline() -> None:
    pipeline, opened = degraded()
    assert pipeline.wait(1799) == []
    closed = pipeline.wait(5)
    assert types(closed) == ["pattern.resolved", "performance.recovered"]
    assert closed[0].payload["pattern_info"]["resolution"] == {"reason": "idle", "duration_seconds": 1800.0}
    assert closed[0].time_us == opened[0].time_us + 1_800_000_000


def test_what_is_slow_for_a_quarter_of_an_hour_is_the_new_normal() -> None:
    pipeline, _ = degraded()
    published: list[Event] = []
    for _ in range(40):
        pipeline.wait(30)
        published += pipeline.execute("t", 2500)
    (trend,) = pipeline.patterns("performance_trend")
    assert trend["pattern_data"]["kind"] == "level_shift"
    assert trend["discovery_method"] == "level_shift"
    (event,) = [
        one for one in published if one.payload.get("pattern_info", {}).get("pattern_type") == "performance_trend"
    ]
    assert event.payload["analysis_context"]["analysis_window"]["sample_size"] == 30 + 3
    assert pipeline.patterns("performance_anomaly")[-1]["resolution"]["reason"] == "new_normal"
    assert pipeline.execute("t", 2600) == []


def test_intelligence_13_failures_become_one_pattern_that_ends() -> None:
    pipeline = Pipeline()
    for _ in range(100):
        pipeline.execute("t", 100)
    assert [len(pipeline.execute("t", 100, outcome="failure")) for _ in range(5)] == [0, 0, 0, 0, 1]
    (failing,) = pipeline.patterns("failure_pattern")
    assert (failing["severity"], failing["discovery_method"]) == ("high", "fisher_exact")
    assert failing["pattern_data"]["failure_rate"] == 0.25
    for _ in range(20):
        pipeline.execute("t", 100)
    assert pipeline.patterns("failure_pattern")[-1]["status"] == "resolved"


def test_intelligence_13_a_new_tool_that_only_fails() -> None:
    pipeline = Pipeline()
    assert [len(pipeline.execute("t", outcome="failure")) for _ in range(9)] == [0] * 8 + [1]
    assert pipeline.patterns("failure_pattern")[0]["confidence_score"] == 0.7008


def test_failures_that_are_less_sure_than_asked_are_not_told() -> None:
    outcomes = Outcomes((False,) * 15 + (True,) * 5, 80, 0)
    sure = alarm(outcomes, 0.7)
    assert sure is not None
    assert alarm(outcomes, sure.confidence) == sure
    assert alarm(outcomes, sure.confidence + 0.0001) is None


def test_cancelled_executions_say_nothing() -> None:
    pipeline = Pipeline()
    for _ in range(50):
        pipeline.execute("t", 100, outcome="cancelled")
    state: Any = pipeline.states["exec|t|"]
    assert (state.watch.metrics, state.failures.outcomes.recent) == ({}, ())


def test_intelligence_15_five_starts_of_one_instance_are_a_restart_loop() -> None:
    pipeline = Pipeline()
    for _ in range(5):
        pipeline.start("s", instance="s-1")
        pipeline.start("s", instance="s-2-" + str(pipeline.now_us))
        pipeline.wait(12, tick=False)
    (loop,) = pipeline.patterns("failure_pattern")
    assert (loop["confidence_score"], loop["severity"], loop["pattern_data"]["kind"]) == (
        0.8571,
        "high",
        "restart_loop",
    )
    assert loop["pattern_data"]["instance_id"] == "s-1"
    pipeline.wait(700)
    assert pipeline.patterns("failure_pattern")[-1]["resolution"]["reason"] == "settled"


def test_a_restart_loop_is_seen_however_many_instances_restart() -> None:
    pipeline = Pipeline()
    for _ in range(5):
        for number in range(12):
            pipeline.start("s", instance=f"s-{number}")
        pipeline.wait(12, tick=False)
    assert {one["pattern_data"]["instance_id"] for one in pipeline.patterns("failure_pattern")} >= {"s-0"}


def test_a_restart_loop_lasts_as_long_as_its_instance_starts() -> None:
    pipeline = Pipeline()
    for _ in range(5):
        pipeline.start("s", instance="s-1")
    pipeline.wait(599)
    pipeline.start("s", instance="s-1")
    pipeline.start("s", instance="s-2")
    pipeline.wait(599)
    assert pipeline.patterns("failure_pattern")[-1]["status"] == "active"
    pipeline.wait(1)
    assert pipeline.patterns("failure_pattern")[-1]["resolution"]["duration_seconds"] == 599 + 600


def test_an_anomaly_that_gets_surer_bit_by_bit_is_revised() -> None:
    episode = opened("u", Sighting(0.8, "low", {}), Cause("e", 0, "c", "t"))
    told = []
    for confidence in (0.83, 0.85, 0.88, 0.9):
        episode, publish = further(episode, Sighting(confidence, "low", {}), Cause("e", 1, "c", "t"), 60)
        told.append(publish)
    assert told == [False, True, False, True]


def test_a_slow_start_is_an_anomaly_of_its_service() -> None:
    pipeline = Pipeline()
    for _ in range(3):
        pipeline.start("s", 1000)
    pipeline.start("s", 9000)
    (anomaly,) = pipeline.patterns("performance_anomaly")
    assert anomaly["pattern_data"]["anomaly_type"] == "startup_time_spike"
    assert (anomaly["affected_services"], anomaly["affected_tools"]) == (["s"], [])


def test_intelligence_16_ten_calls_are_a_link() -> None:
    pipeline = Pipeline()
    for _ in range(10):
        pipeline.execute("t", 100, requester="a", executor="b")
    revisions = pipeline.patterns("service_communication")
    assert [one["pattern_data"]["calls"] for one in revisions] == [5, 10]
    assert [one["revision"] for one in revisions] == [1, 2]
    assert (revisions[0]["confidence_score"], revisions[0]["affected_services"]) == (0.8571, ["a", "b"])
    assert len({one["pattern_id"] for one in revisions}) == 1


def test_intelligence_16_b_follows_a_in_ten_sessions() -> None:
    pipeline = Pipeline()
    for number in range(10):
        pipeline.execute("a", 100, session=f"s-{number}")
        pipeline.wait(5)
        pipeline.execute("b", 100, session=f"s-{number}")
    (sequence,) = pipeline.patterns("tool_sequence")
    assert sequence["confidence_score"] == 0.7225
    assert (sequence["pattern_data"]["probability"], sequence["pattern_data"]["median_gap_ms"]) == (1.0, 5000)


def test_intelligence_16_b_follows_a_though_its_observation_comes_first() -> None:
    pipeline = Pipeline()
    for number in range(10):
        pipeline.execute("b", 100, session=f"s-{number}", time_us=pipeline.now_us)
        pipeline.execute("a", 100, session=f"s-{number}", time_us=pipeline.now_us - 10_000)
        pipeline.wait(5)
    (sequence,) = pipeline.patterns("tool_sequence")
    assert (sequence["pattern_data"]["first_tool"], sequence["pattern_data"]["next_tool"]) == ("a", "b")
    assert (sequence["confidence_score"], sequence["pattern_data"]["median_gap_ms"]) == (0.7225, 10)


@pytest.mark.parametrize(
    ("uses", "steps"),
    [
        ("a0 b1 c2", "ab bc"),
        ("b1 a0", "ab"),
        ("a0 c2 b1", "ac bc"),  # the step from a to c was told already
        ("a1 b2 z0", "ab"),
        ("a0 a1 b2", "ab"),
        ("a0 b61", ""),
        ("b61 a0", ""),
    ],
)
def test_steps_are_taken_in_the_order_of_their_times(uses: str, steps: str) -> None:
    pipeline = Pipeline()
    for use in uses.split():
        pipeline.execute(use[0], 100, session="s", time_us=pipeline.now_us + (int(use[1:]) - 120) * 1_000_000)
    found = [
        key.removeprefix("next|") + event.payload["next_tool"]
        for key, event in pipeline.observed
        if key.startswith("next|")
    ]
    assert found == steps.split()


def test_a_session_with_a_long_name_is_a_session() -> None:
    pipeline = Pipeline()
    for number in range(10):
        pipeline.execute("a", 100, session="s" * 4000 + str(number))
        pipeline.execute("b", 100, session="s" * 4000 + str(number))
    assert pipeline.patterns("tool_sequence")
    assert all(len(key) <= 220 for key in pipeline.states)


def test_steps_that_are_far_apart_or_in_other_sessions_are_no_sequence() -> None:
    pipeline = Pipeline()
    for number in range(12):
        pipeline.execute("a", 100, session=f"s-{number}")
        pipeline.wait(61, tick=False)
        pipeline.execute("b", 100, session=f"s-{number}")
        pipeline.execute("a", 100, session=f"x-{number}")
        pipeline.execute("b", 100, session=f"y-{number}")
    assert not pipeline.patterns("tool_sequence")


def test_a_silent_session_is_forgotten() -> None:
    pipeline = Pipeline()
    pipeline.execute("a", 100, session="s")
    assert pipeline.detectors.elapse("session|s", pipeline.states["session|s"], pipeline.now_us).state is not None
    later = pipeline.now_us + 1_800_000_000
    assert pipeline.detectors.elapse("session|s", pipeline.states["session|s"], later).state is None


def test_intelligence_18_events_consumed_twice_change_nothing() -> None:
    once, twice = Pipeline(), Pipeline()
    for pipeline, copies in ((once, 1), (twice, 2)):
        for n, time_ms in enumerate([150, 160, 170, 2500, 2600, 155, 160, 165]):
            for _ in range(copies):
                pipeline.take(execution("t", time_ms, n=n, requester="a", executor="b", session="s"))
    assert [event.payload for event in twice.published] == [event.payload for event in once.published]
    assert once.states == twice.states


def test_intelligence_19_the_state_of_a_series_is_small() -> None:
    pipeline = Pipeline()
    tool, executor = "t" * 100, "e" * 100
    for number in range(300):
        time_ms = 123456.789 * (1 + (number % 7) / 10) * (20 if number % 50 > 45 else 1)
        outcome = "failure" if number % 5 == 0 else "success"
        pipeline.execute(
            tool, time_ms, executor=executor, requester="r" * 100, session="s" * 200, cpu=97.123456, memory=12345.678,
            outcome=outcome,
        )  # fmt: skip
        pipeline.wait(1, tick=False)
    assert max(map(size, pipeline.states.values())) < 16 * 1024


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"execution_info": "t"},
        {"execution_info": {"tool_name": ""}},
        {"execution_info": {"tool_name": "t"}, "derived": {"outcome": "fine"}},
        {"execution_info": {"tool_name": "t"}, "execution_timeline": {"started_at": "x", "completed_at": "y"}},
        {"execution_info": {"tool_name": "t"}, "resource_usage": {"cpu_usage": {"peak_percent": "85"}}},
    ],
)
def test_an_execution_that_cannot_be_read_is_poison(payload: dict[str, Any]) -> None:
    event = execution("t")
    event.payload = payload
    with pytest.raises(PoisonRecord, match="INVALID_PAYLOAD"):
        Pipeline().take(event)


def test_an_execution_of_another_producer_is_derived_here() -> None:
    event = execution("t")
    event.payload = {"execution_info": {"tool_name": "t", "execution_time_ms": 5}}
    pipeline = Pipeline()
    pipeline.take(event)
    state: Any = pipeline.states["exec|t|"]
    assert state.watch.metrics["execution_time_ms"].baseline == (5,)
