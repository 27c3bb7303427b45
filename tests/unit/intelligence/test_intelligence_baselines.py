"""What series tell of themselves, and the view of it (intelligence §1, §6, §8)."""

from typing import Any

import pytest

from bridge_app.domain.intelligence.baselines import BaselineView, parse_filters
from bridge_app.errors import ValidationError
from tests.unit.intelligence.pipeline import SECOND, START_US, Pipeline


def told(pipeline: Pipeline, event_type: str) -> list[dict[str, Any]]:
    return [event.payload for event in pipeline.told if event.event_type == f"intelligence.{event_type}"]


def test_a_baseline_is_told_at_most_once_a_second_and_the_last_news_is_never_kept_back() -> None:
    pipeline = Pipeline()
    for time_ms in (150, 160, 170):
        pipeline.execute("t", time_ms)
    assert [one["metrics"][0]["samples"] for one in told(pipeline, "baseline")] == [1]
    pipeline.wait(1)
    first, last = told(pipeline, "baseline")
    assert last["series"] == "exec|t|"
    assert last["metrics"] == [
        {"metric": "execution_time_ms", "samples": 3, "median": 160, "mad": 10, "max": 170, "upper_limit": 480,
         "unlikely": 480, "flagged": 0, "judged": 3}
    ]  # fmt: skip
    assert (last["avg_execution_time_ms"], last["success_rate"]) == (160, 1.0)
    assert first["metrics"][0]["upper_limit"] is None
    pipeline.wait(10)
    assert len(told(pipeline, "baseline")) == 2
    assert pipeline.told[1].time_us == START_US + SECOND


def test_a_summary_is_told_once_a_minute_while_there_is_something_to_sum_up() -> None:
    pipeline = Pipeline()
    for time_ms in (100, 200, 300):
        pipeline.execute("t", time_ms)
    pipeline.execute("t", outcome="failure")
    pipeline.wait(59)
    assert told(pipeline, "performance.summary") == []
    pipeline.wait(1)
    (summary,) = told(pipeline, "performance.summary")
    assert summary == {
        "series": "exec|t|", "metric": "execution_time_ms", "count": 4, "failures": 1, "p50": 200, "p95": 300,
        "max": 300, "upper_limit": 600,
    }  # fmt: skip
    pipeline.wait(600)
    assert len(told(pipeline, "performance.summary")) == 1


def test_the_highest_value_of_a_minute_is_told_however_many_follow() -> None:
    pipeline = Pipeline()
    for time_ms in (119, *[100] * 120):
        pipeline.execute("t", time_ms)
    pipeline.wait(60)
    (summary,) = told(pipeline, "performance.summary")
    assert (summary["count"], summary["max"], summary["p95"]) == (121, 119, 100)


def view_of(pipeline: Pipeline) -> BaselineView:
    view = BaselineView()
    for event in pipeline.told:
        view.apply(event)
    return view


def test_the_view_lists_one_entry_per_metric_and_filters_exactly() -> None:
    pipeline = Pipeline()
    pipeline.execute("t", 150, executor="a", cpu=30)
    pipeline.execute("u", 150, executor="b")
    pipeline.start("a", 1000)
    view = view_of(pipeline)
    assert [(one["series"], one["metric"]) for one in view.list(None, None)] == [
        ("exec|t|a", "cpu_peak_percent"),
        ("exec|t|a", "execution_time_ms"),
        ("exec|u|b", "execution_time_ms"),
        ("start|a", "startup_time_ms"),
    ]
    assert {one["series"] for one in view.list(None, "a")} == {"exec|t|a", "start|a"}
    assert {one["series"] for one in view.list("u", None)} == {"exec|u|b"}
    assert view.list("t", "b") == []
    assert view.list("t", "a")[0]["last_seen"] == "2023-11-14T22:13:20.000000Z"


def test_an_older_snapshot_and_a_stranger_change_nothing_and_a_tombstone_forgets() -> None:
    pipeline = Pipeline()
    pipeline.execute("t", 150)
    pipeline.wait(5)
    pipeline.execute("t", 160)
    view = view_of(pipeline)
    before = view.list(None, None)
    view.apply(pipeline.told[0])
    pipeline.told[0].payload = {"series": 5}
    view.apply(pipeline.told[0])
    assert view.list(None, None) == before
    view.forget("exec|t|")
    assert len(view) == 0


def test_filters_are_text() -> None:
    assert parse_filters({"tool": "t"}) == ("t", None)
    with pytest.raises(ValidationError, match=r"^query.service: "):
        parse_filters({"service": "a\0"})
