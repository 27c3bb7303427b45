"""What the catalogue orders and what it refuses."""

import pytest

from bridge_app.errors import StateMismatch
from bridge_app.runtime.catalogue import CataloguePlan, ChangelogSpec, new_changelog, new_topic, source_partitions
from bridge_app.topics import Topic, dead_letter_topic

MIB = 1024 * 1024
PLAN = CataloguePlan(topics={}, changelogs=(), partitions=8, replication_factor=3)


def test_a_topic_is_ordered_with_its_retention_and_the_setting_s_partitions() -> None:
    order = new_topic("p.hooks", Topic("hooks", 7 * 86400), PLAN)
    assert (order.name, order.num_partitions, order.replication_factor) == ("p.hooks", 8, 3)
    assert order.topic_configs == {
        "cleanup.policy": "delete",
        "max.message.bytes": str(2 * MIB),
        "retention.ms": str(7 * 86400 * 1000),
    }


def test_a_topic_s_own_partition_count_wins_and_compaction_needs_no_retention() -> None:
    order = new_topic("control", Topic("control", None, compacted=True, partitions=1), PLAN)
    assert order.num_partitions == 1
    assert order.topic_configs == {"cleanup.policy": "compact", "max.message.bytes": str(2 * MIB)}


def test_a_dead_letter_topic_takes_records_twice_as_large() -> None:
    order = new_topic("hooks.dlq", dead_letter_topic(Topic("hooks", 1)), PLAN)
    assert order.topic_configs["max.message.bytes"] == str(4 * MIB)


def test_a_changelog_is_compacted_and_has_the_partitions_of_its_sources() -> None:
    changelog = ChangelogSpec("app-t-changelog", ("a", "b"))
    order = new_changelog(changelog, source_partitions(changelog, {"a": 5, "b": 5, "c": 7}), PLAN)
    assert (order.name, order.num_partitions) == ("app-t-changelog", 5)
    assert order.topic_configs["cleanup.policy"] == "compact"


def test_sources_that_differ_are_named_with_both_counts_and_the_cure() -> None:
    with pytest.raises(StateMismatch, match=r"topic b has 4 partitions, expected 5 as a has: .*recreate it"):
        source_partitions(ChangelogSpec("app-t-changelog", ("a", "b")), {"a": 5, "b": 4})
