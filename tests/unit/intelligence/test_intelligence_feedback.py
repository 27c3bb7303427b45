"""A false positive is dismissed and does not come back (intelligence §8, Acceptance 20)."""

from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest

from bridge_app.domain.intelligence.execution_detector import Executions
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Event, Position
from bridge_app.events.intelligence import BASELINE, FEEDBACK, PATTERN_RESOLVED, RECOVERED, Feedback, Pattern
from tests.unit.intelligence.pipeline import Pipeline

USUAL = (150, 160, 170)


def known(pipeline: Pipeline, pattern_type: str) -> Pattern:
    """Return a pattern as the view of every worker has it."""
    view = PatternView()
    for event in pipeline.published:
        view.apply(event)
    found = view.find(pipeline.patterns(pattern_type)[-1]["pattern_id"].removeprefix("pattern_"))
    assert found is not None
    return found.pattern


def say(pipeline: Pipeline, pattern: Pattern, verdict: Any = "false_positive", n: int = 0) -> list[Event]:
    """Give a verdict; return what is published for it."""
    payload = msgspec.to_builtins(Feedback(uuid=pattern.uuid, verdict=verdict, pattern=pattern.as_dict()))
    event = Event(
        event_id=str(uuid5(UUID(int=9), str(n))),
        event_type=FEEDBACK,
        time_us=pipeline.now_us,
        correlation_id="feedback",
        trace_id="2" * 32,
        partition_key=pattern.series or pattern.uuid,
        payload=payload,
        position=Position("intelligence.observations", 0, 0, pipeline.now_us // 1000),
    )
    return pipeline.apply(event.partition_key, event)


@pytest.fixture
def spiked() -> Pipeline:
    pipeline = Pipeline()
    for ms in USUAL:
        pipeline.execute("t", ms)
    pipeline.execute("t", 2500)
    return pipeline


def test_intelligence_20_a_false_positive_is_dismissed_and_does_not_come_back(spiked: Pipeline) -> None:
    pattern = known(spiked, "performance_anomaly")
    resolved, recovered = say(spiked, pattern)

    info = resolved.payload["pattern_info"]
    assert info["discovery_method"] == "ratio_rule"
    assert (resolved.event_type, info["status"], info["revision"]) == (PATTERN_RESOLVED, "dismissed", 2)
    assert info["resolution"] == {"reason": "false_positive", "duration_seconds": 0}
    assert info["pattern_data"] == pattern.evidence
    assert recovered.event_type == RECOVERED
    assert recovered.payload["anomaly_info"]["anomaly_id"] == pattern.pattern_id
    assert resolved.correlation_id == "feedback"
    assert spiked.execute("t", 2500) == []
    assert len(spiked.patterns("performance_anomaly")) == 2


def test_intelligence_20_the_limit_is_3750_then(spiked: Pipeline) -> None:
    say(spiked, known(spiked, "performance_anomaly"))
    assert [one for one in spiked.wait(2) if one.event_type != BASELINE] == []
    [metric] = spiked.told[-1].payload["metrics"]
    assert (metric["upper_limit"], metric["flagged"], metric["samples"]) == (3750, 0, 4)

    assert spiked.execute("t", 3749) == []
    spiked = Pipeline()
    for ms in (*USUAL, 2500):
        spiked.execute("t", ms)
    say(spiked, known(spiked, "performance_anomaly"))
    spiked.execute("t", 3750)
    assert spiked.patterns("performance_anomaly")[-1]["status"] == "active"


def test_a_confirmation_changes_nothing(spiked: Pipeline) -> None:
    before = dict(spiked.states)
    assert say(spiked, known(spiked, "performance_anomaly"), "confirmed") == []
    assert spiked.states == before


def test_a_verdict_given_twice_counts_once(spiked: Pipeline) -> None:
    pattern = known(spiked, "performance_anomaly")
    say(spiked, pattern)
    assert say(spiked, known(spiked, "performance_anomaly"), n=1) == []
    late = say(spiked, pattern, n=2)  # by a worker that did not know of the first
    assert [event.payload["pattern_info"]["revision"] for event in late] == [2]


def test_a_pattern_that_is_no_current_episode_is_dismissed_as_it_is_known(spiked: Pipeline) -> None:
    for ms in (155, 160, 165):
        spiked.execute("t", ms)
    old = known(spiked, "performance_anomaly")
    assert old.status == "resolved"
    spiked.wait(3600)
    spiked.execute("t", 2600)
    state = spiked.states["exec|t|"]
    [event] = say(spiked, old)

    info = event.payload["pattern_info"]
    assert (info["pattern_id"], info["status"], info["revision"]) == (old.pattern_id, "dismissed", old.revision + 1)
    assert spiked.states["exec|t|"] == state


def test_a_closed_episode_is_not_reopened_after_it_was_dismissed(spiked: Pipeline) -> None:
    for ms in (155, 160, 165):
        spiked.execute("t", ms)
    [event] = say(spiked, known(spiked, "performance_anomaly"))
    assert event.payload["pattern_info"]["status"] == "dismissed"
    spiked.execute("t", 5000)
    assert spiked.patterns("performance_anomaly")[-1]["revision"] == 1


def test_failures_that_are_none_do_not_raise_the_next_alarm() -> None:
    pipeline = Pipeline()
    for _ in range(100):
        pipeline.execute("t", 100)
    for _ in range(5):
        pipeline.execute("t", 100, outcome="failure")
    [event] = say(pipeline, known(pipeline, "failure_pattern"))
    assert event.payload["pattern_info"]["status"] == "dismissed"
    assert event.payload["pattern_info"]["discovery_method"] == "fisher_exact"
    assert pipeline.execute("t", 100, outcome="failure") == []


def test_a_restart_loop_that_is_none_begins_anew() -> None:
    pipeline = Pipeline()
    for _ in range(5):
        pipeline.start("s", instance="s-1")
    [event] = say(pipeline, known(pipeline, "failure_pattern"))
    assert event.payload["pattern_info"]["status"] == "dismissed"
    pipeline.start("s", instance="s-1")
    assert len(pipeline.patterns("failure_pattern")) == 2


@pytest.mark.parametrize("pattern_type", ["service_initialization", "startup_performance", "service_communication"])
def test_a_report_that_is_dismissed_keeps_its_revisions_rising(pattern_type: str) -> None:
    pipeline = Pipeline()
    for number in range(3):
        pipeline.start(f"s-{number}", 2000 + number)
    for _ in range(5):
        pipeline.execute("t", 20, requester="a", executor="b")
    pattern = known(pipeline, pattern_type)
    [event] = say(pipeline, pattern)
    assert event.payload["pattern_info"]["revision"] > pattern.revision
    assert event.payload["pattern_info"]["discovery_method"] == pipeline.patterns(pattern_type)[0]["discovery_method"]
    pipeline.start("s-2", 2001)
    for _ in range(5):
        pipeline.execute("t", 20, requester="a", executor="b")
    later = pipeline.patterns(pattern_type)[-1]
    assert later["pattern_id"] != pattern.pattern_id or later["revision"] > event.payload["pattern_info"]["revision"]


def test_a_pattern_of_another_producer_needs_no_series() -> None:
    pipeline = Pipeline()
    foreign = Pattern(
        uuid="6f1c0c2e-0d7e-5b5e-9d57-0d7f0c1c2a11",
        pattern_type="x",
        confidence_score=1,
        discovered_us=0,
        last_seen_us=0,
    )
    [event] = say(pipeline, foreign)
    assert event.payload["pattern_info"]["status"] == "dismissed"
    assert pipeline.states == {}


def test_what_is_no_feedback_is_refused(spiked: Pipeline) -> None:
    event = Event(
        event_id=str(UUID(int=1)), event_type=FEEDBACK, time_us=0, correlation_id="c", trace_id="3" * 32,
        partition_key="exec|t|", payload={"verdict": "maybe"},
    )  # fmt: skip
    assert isinstance(spiked.states["exec|t|"], Executions)
    with pytest.raises(PoisonRecord, match="INVALID_PAYLOAD"):
        spiked.apply("exec|t|", event)
