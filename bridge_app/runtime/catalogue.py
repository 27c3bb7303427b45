"""Topics are created and checked before anything consumes.

What is missing is created; what exists is taken with the partition count it has. Nothing is ever altered or deleted. A
changelog that has another partition count than its sources, or sources that differ from each other, would route a key
to two owners: the start ends with the topic's name and the cure.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from bridge_app.errors import StateMismatch
from bridge_app.topics import Topic

log = structlog.get_logger(__name__)

MIB = 1024 * 1024
RECORD_BYTES = 2 * MIB
DEAD_LETTER_BYTES = 4 * MIB


class ChangelogSpec(NamedTuple):
    """A table's changelog and the topics whose events change the table, all as named on the broker."""

    name: str
    sources: tuple[str, ...]


class CataloguePlan(NamedTuple):
    """What should exist: topics by their name on the broker, and changelogs."""

    topics: Mapping[str, Topic]
    changelogs: tuple[ChangelogSpec, ...]
    partitions: int
    replication_factor: int


def new_topic(name: str, topic: Topic, plan: CataloguePlan) -> NewTopic:
    """Return the order to create a catalogue topic."""
    config = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "max.message.bytes": str(RECORD_BYTES if topic.dead_letters else DEAD_LETTER_BYTES),
    }
    if topic.retention is not None:
        config["retention.ms"] = str(topic.retention * 1000)
    return NewTopic(name, topic.partitions or plan.partitions, plan.replication_factor, topic_configs=config)


def new_changelog(changelog: ChangelogSpec, partitions: int, plan: CataloguePlan) -> NewTopic:
    """Return the order to create a changelog."""
    config = {"cleanup.policy": "compact", "max.message.bytes": str(RECORD_BYTES)}
    return NewTopic(changelog.name, partitions, plan.replication_factor, topic_configs=config)


def source_partitions(changelog: ChangelogSpec, counts: Mapping[str, int]) -> int:
    """Return the partition count of a table's sources.

    Raises:
        StateMismatch: they differ.
    """
    found = {source: counts[source] for source in changelog.sources}
    expected = found[changelog.sources[0]]
    for source, count in found.items():
        if count != expected:
            raise StateMismatch(
                f"topic {source} has {count} partitions, expected {expected} as {changelog.sources[0]} has: topics of "
                "one table must have the same number; recreate it with that number of partitions"
            )
    return expected


async def prepare(admin: AIOKafkaAdminClient, plan: CataloguePlan) -> dict[str, int]:
    """Create what is missing, check what exists.

    Returns:
        The partition count of every topic of the plan.

    Raises:
        StateMismatch: partition counts contradict each other.
        KafkaError: the broker is away or refuses.
    """
    counts = await partition_counts(admin, plan.topics)
    await _create(admin, [new_topic(name, topic, plan) for name, topic in plan.topics.items() if name not in counts])
    counts = await partition_counts(admin, plan.topics)
    changelogs = await partition_counts(admin, [changelog.name for changelog in plan.changelogs])
    missing = []
    for changelog in plan.changelogs:
        expected = source_partitions(changelog, counts)
        found = changelogs.get(changelog.name)
        if found is None:
            missing.append(new_changelog(changelog, expected, plan))
        elif found != expected:
            raise StateMismatch(
                f"changelog topic {changelog.name} has {found} partitions, expected {expected} as its sources have: "
                "delete the changelog topic, its state is built anew from what the source topics still hold"
            )
    await _create(admin, missing)
    return counts


async def partition_counts(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    """Return the partition count of those topics that exist."""
    wanted = list(names)
    existing = set(await admin.list_topics()) & set(wanted)
    described: list[dict[str, Any]] = await admin.describe_topics(sorted(existing)) if existing else []
    return {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}


async def _create(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    if not topics:
        return
    response = await admin.create_topics(topics)
    for name, code, *_rest in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):  # another worker may have been first
            raise for_code(code)(f"cannot create topic {name}")
    log.info("topics_created", count=len(topics))
