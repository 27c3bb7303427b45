"""What the fleet of the demo reports is accepted, and shows what the demo expects."""

from random import Random
from uuid import UUID, uuid5

import msgspec

from bridge_app.domain.hooks import Arrival, accept_any
from bridge_app.domain.hooks.any_hook import MOST_ITEMS
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.domain.intelligence.queries import parse_query
from bridge_app.events.envelope import Position
from deploy.demo.findings import counted, missing, told
from deploy.demo.fleet import Fleet
from tests.unit.intelligence.pipeline import IDENTITY, Pipeline


def test_the_fleet_shows_all_that_the_demo_expects() -> None:
    pipeline, number = Pipeline(), 0
    for one in Fleet("tag", Random(1)).rounds():
        assert 1 <= len(one.hooks) <= MOST_ITEMS
        for hook in one.hooks:
            event_id = str(uuid5(UUID(int=5), str(number := number + 1)))
            arrival = Arrival(event_id, pipeline.now_us, "1" * 32, None, event_id, IDENTITY)
            route, event = accept_any(hook, arrival)
            position = Position(route.topic, 0, number, pipeline.now_us // 1000)
            pipeline.take(msgspec.structs.replace(event, position=position))
        pipeline.wait(1)
    view = PatternView()
    for event in pipeline.published:
        view.apply(event)
    found = [one.as_dict() for one in view.page(parse_query({"status": "all"}, pipeline.now_us)).patterns]

    assert missing(found) == []
    assert {one["pattern_type"] for one in found} >= {"performance_anomaly", "tool_sequence"}
    lines = list(told(found))
    assert len(lines) == 3 * len(found)
    assert not any("by another program" in line for line in lines)


def test_two_runs_share_no_name() -> None:
    names = [{str(hook) for one in Fleet(tag, Random(1)).rounds() for hook in one.hooks} for tag in ("a1", "b2")]
    assert not names[0] & names[1]


def test_a_single_hook_is_told_as_one() -> None:
    assert [counted(number) for number in (0, 1, 2)] == ["0 hooks", "1 hook", "2 hooks"]
