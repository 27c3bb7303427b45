"""What the catalogue holds, what it orders and what it refuses (conventions §2)."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge_app import topics
from bridge_app.errors import StateMismatch
from bridge_app.runtime.catalogue import (
    CataloguePlan,
    ChangelogSpec,
    equal_partitions,
    new_changelog,
    new_topic,
    planned_partitions,
    prepare,
)
from bridge_app.settings import Settings
from bridge_app.topics import Topic, dead_letter_topic, with_dead_letters

MIB = 1024 * 1024
PLAN = CataloguePlan(topics={}, changelogs=(), partitions=8, replication_factor=3)


def test_a_topic_is_ordered_with_its_retention() -> None:
    order = new_topic("p.hooks", Topic("hooks", 7 * 86400), 8, 3)
    assert (order.name, order.num_partitions, order.replication_factor) == ("p.hooks", 8, 3)
    assert order.topic_configs == {
        "cleanup.policy": "delete",
        "max.message.bytes": str(2 * MIB),
        "retention.ms": str(7 * 86400 * 1000),
    }


def test_compaction_needs_no_retention() -> None:
    order = new_topic("control", Topic("control", None, compacted=True), 1, 1)
    assert order.topic_configs == {"cleanup.policy": "compact", "max.message.bytes": str(2 * MIB)}


def test_idempotency_records_are_compacted_and_deleted_after_a_day() -> None:
    config = new_topic("x", topics.HTTP_IDEMPOTENCY, 8, 1).topic_configs
    assert (config["cleanup.policy"], config["retention.ms"]) == ("compact,delete", str(86400 * 1000))


def test_a_dead_letter_topic_takes_records_twice_as_large_for_30_days() -> None:
    config = new_topic("hooks.dlq", dead_letter_topic(Topic("hooks", 1, compacted=True)), 8, 3).topic_configs
    assert config == {
        "cleanup.policy": "delete",
        "max.message.bytes": str(4 * MIB),
        "retention.ms": str(30 * 86400 * 1000),
    }


def test_a_changelog_is_compacted_and_has_the_partitions_of_its_sources() -> None:
    changelog = ChangelogSpec("app-t-changelog", ("a", "b"))
    order = new_changelog(changelog, equal_partitions(changelog.sources, {"a": 5, "b": 5, "c": 7}), PLAN)
    assert (order.name, order.num_partitions) == ("app-t-changelog", 5)
    assert order.topic_configs["cleanup.policy"] == "compact"


class SlowBroker:
    """An administrator's client of a broker that shows a new topic when it has been asked a few times."""

    def __init__(self, **existing: int) -> None:
        self.shown = dict(existing)
        self._created: dict[str, int] = {}
        self._looks = 0

    async def list_topics(self) -> list[str]:
        self._looks += 1
        if self._created and self._looks % 4 == 0:
            self.shown |= self._created
        return list(self.shown)

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        return [{"topic": name, "error_code": 0, "partitions": range(self.shown[name])} for name in names]

    async def create_topics(self, orders: list[Any], *, timeout_ms: int) -> Any:
        self._created |= {order.name: order.num_partitions for order in orders}
        return SimpleNamespace(topic_errors=[(order.name, 0, None) for order in orders])


async def test_a_changelog_is_waited_for_until_the_broker_shows_it() -> None:
    broker = SlowBroker(source=3)
    plan = PLAN._replace(topics={"source": Topic("source", 1)}, changelogs=(ChangelogSpec("changelog", ("source",)),))
    await prepare(cast(Any, broker), plan)
    assert broker.shown == {"source": 3, "changelog": 3}


def test_topics_that_must_be_equal_and_differ_are_named_with_both_counts_and_the_cure() -> None:
    with pytest.raises(StateMismatch, match=r"topic b has 4 partitions, expected 5 as a has: .*recreate it"):
        equal_partitions(("a", "b"), {"a": 5, "b": 4})


def test_a_missing_topic_gets_the_partitions_of_what_it_belongs_to() -> None:
    declared = [Topic("a", 1), Topic("b", 1), Topic("control", 1, partitions=1), Topic("other", 1)]
    plan = PLAN._replace(
        topics={topic.name: topic for topic in with_dead_letters(declared, ".dlq")},
        co_partitioned=(("a", "b"),),
        letters={f"{topic.name}.dlq": topic.name for topic in declared},
    )
    assert planned_partitions(plan, {"b": 3, "other": 1}) == {
        "a": 3,
        "a.dlq": 3,
        "b.dlq": 3,
        "control": 1,
        "control.dlq": 1,
        "other.dlq": 1,
    }


def test_every_public_topic_has_dead_letters_and_of_the_internal_ones_four() -> None:
    assert all(topic.dead_letters for topic in topics.PUBLIC)
    assert {topic.name for topic in topics.INTERNAL if topic.dead_letters} == {
        "intelligence.observations",
        "workflow.steps",
        "workflow.step_results",
        "aggregation.items",
    }
    assert len({topic.name for topic in topics.CATALOGUE}) == len(topics.CATALOGUE) == 37


@pytest.mark.parametrize(
    ("event_type", "topic"),
    [
        ("service.lifecycle.started", "hooks.service_lifecycle"),
        ("Tool.Registration.updated", "hooks.tool_registration"),
        ("tool.execution.completed", "hooks.tool_execution"),
        ("proxy.request.completed", "proxy.requests"),
        ("proxy.cache.hit", "proxy.cache"),
        ("intelligence.pattern.discovered", "intelligence.patterns"),
        ("intelligence.performance.report", "intelligence.performance"),
        ("configuration.changed", "configuration.changes"),
        ("error.service.critical", "system.errors"),
        ("node-heartbeat", None),
        ("errors", None),
    ],
)
def test_the_type_of_an_event_says_where_it_goes(event_type: str, topic: str | None) -> None:
    found = topics.topic_of(event_type)
    assert (found and found.name) == topic


def test_the_prefix_is_put_before_every_name_but_those_that_a_node_topic_s_variable_gives(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings(KAFKA_TOPIC_PREFIX="t1.", KAFKA_HEARTBEAT_TOPIC="beats")
    names = ("hooks.service_lifecycle", "node-introspection.v1", "node-heartbeat.v1", "node-heartbeat.v1.dlq")
    assert [settings.topic(name) for name in names] == [
        "t1.hooks.service_lifecycle",
        "t1.node-introspection.v1",
        "beats",
        "beats.dlq",
    ]
