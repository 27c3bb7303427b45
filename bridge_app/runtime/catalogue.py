"""Topics are created and checked before anything consumes.

What is missing is created; what exists is taken with the partition count it has. Nothing is ever altered or deleted. A
changelog that has another partition count than its sources, or co-partitioned topics that differ from each other, would
route a key to two owners: the start ends with the topic's name and the cure.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from bridge_app.errors import StateMismatch
from bridge_app.topics import Topic

log = structlog.get_logger(__name__)

MIB = 1024 * 1024
RECORD_BYTES = 2 * MIB
DEAD_LETTER_BYTES = 4 * MIB
#: How long the broker may take to create all of them.
CREATE_MS = 60_000
#: How often, and how many seconds apart, it is asked whether they are there.
LOOKS = 50
LOOK_SECONDS = 0.1


class ChangelogSpec(NamedTuple):
    """A table's changelog and the topics whose events change the table, all as named on the broker."""

    name: str
    sources: tuple[str, ...]


class CataloguePlan(NamedTuple):
    """What should exist, all as named on the broker: topics, changelogs, and which topics are read side by side.

    `letters` gives the topic of each dead-letter topic.
    """

    topics: Mapping[str, Topic]
    changelogs: tuple[ChangelogSpec, ...]
    partitions: int
    replication_factor: int
    co_partitioned: tuple[tuple[str, ...], ...] = ()
    letters: Mapping[str, str] = MappingProxyType({})


def planned_partitions(plan: CataloguePlan, found: Mapping[str, int]) -> dict[str, int]:
    """Return how many partitions each missing topic gets, given the counts of those that exist.

    A dead-letter topic gets as many as its topic has, and a topic that is read side by side with others as many as the
    first of them that exists.
    """
    beside = {name: group for group in plan.co_partitioned for name in group}

    def count(name: str) -> int:
        if name in found:
            return found[name]
        if name in plan.letters:
            return count(plan.letters[name])
        others = (found[other] for other in beside.get(name, ()) if other in found)
        topic = plan.topics.get(name)
        return next(others, (topic and topic.partitions) or plan.partitions)

    return {name: count(name) for name in plan.topics if name not in found}


def new_topic(name: str, topic: Topic, partitions: int, replication_factor: int) -> NewTopic:
    """Return the order to create a catalogue topic."""
    config = {
        "cleanup.policy": topic.cleanup_policy,
        "max.message.bytes": str(RECORD_BYTES if topic.letters_of is None else DEAD_LETTER_BYTES),
    }
    if topic.retention is not None:
        config["retention.ms"] = str(topic.retention * 1000)
    return NewTopic(name, partitions, replication_factor, topic_configs=config)


def new_changelog(changelog: ChangelogSpec, partitions: int, plan: CataloguePlan) -> NewTopic:
    """Return the order to create a changelog."""
    config = {"cleanup.policy": "compact", "max.message.bytes": str(RECORD_BYTES)}
    return NewTopic(changelog.name, partitions, plan.replication_factor, topic_configs=config)


def equal_partitions(names: Iterable[str], counts: Mapping[str, int]) -> int:
    """Return the partition count of topics that must have the same.

    Raises:
        StateMismatch: they differ.
    """
    first, *others = names
    expected = counts[first]
    for name in others:
        if counts[name] != expected:
            raise StateMismatch(
                f"topic {name} has {counts[name]} partitions, expected {expected} as {first} has: they are read side "
                "by side and must have the same number; recreate it with that number of partitions"
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
    counts = await create_topics(admin, plan)
    for group in plan.co_partitioned:
        equal_partitions(group, counts)
    changelogs = await partition_counts(admin, [changelog.name for changelog in plan.changelogs])
    missing = []
    for changelog in plan.changelogs:
        expected = equal_partitions(changelog.sources, counts)
        found = changelogs.get(changelog.name)
        if found is None:
            missing.append(new_changelog(changelog, expected, plan))
        elif found != expected:
            raise StateMismatch(
                f"changelog topic {changelog.name} has {found} partitions, expected {expected} as its sources have: "
                "delete the changelog topic, its state is built anew from what the source topics still hold"
            )
    if missing:
        # A consumer that looks too early learns of a topic minutes later; till then the group passes over changelogs.
        await _create(admin, missing)
        await _shown(admin, [changelog.name for changelog in plan.changelogs])
    return counts


async def create_topics(admin: AIOKafkaAdminClient, plan: CataloguePlan) -> dict[str, int]:
    """Create the topics of a plan that are missing, in one request; changelogs are left alone.

    Returns:
        The partition count of every topic of the plan.

    Raises:
        KafkaError: the broker is away or refuses; `UnknownTopicOrPartitionError` when it does not show all of them yet.
    """
    counts = await partition_counts(admin, plan.topics)
    missing = planned_partitions(plan, counts)
    if missing:
        factor = plan.replication_factor
        await _create(admin, [new_topic(name, plan.topics[name], count, factor) for name, count in missing.items()])
        counts = await _shown(admin, plan.topics)
    return counts


async def _shown(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, int]:
    """Return the partition count of each topic; a broker knows of new ones a moment after it has created them."""
    for _ in range(LOOKS):
        counts = await partition_counts(admin, names)
        unseen = [name for name in names if name not in counts]
        if not unseen:
            return counts
        await asyncio.sleep(LOOK_SECONDS)
    raise UnknownTopicOrPartitionError(f"created, but not there yet: {', '.join(unseen[:3])}")


async def partition_counts(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    """Return the partition count of those topics that exist."""
    wanted = list(names)
    existing = set(await admin.list_topics()) & set(wanted)
    described: list[dict[str, Any]] = await admin.describe_topics(sorted(existing)) if existing else []
    return {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}


async def _create(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    if not topics:
        return
    response = await admin.create_topics(topics, timeout_ms=CREATE_MS)
    for name, code, *_rest in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):  # another worker may have been first
            raise for_code(code)(f"cannot create topic {name}")
    log.info("topics_created", count=len(topics))
