"""F15: something is missing or wrong at the start: one line says what, and what can go on goes on (resilience §7)."""

from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from tests.lab.deployment import EXTRA, HOOKS, OBSERVATIONS, PARTITIONS, Deployment
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

HOOK = {"hook_type": "service_started", "service_info": {"name": "f15", "version": "1", "instance_id": "f15-1"}}

pytestmark = pytest.mark.chaos_short


async def refusal(worker: Worker) -> tuple[int, str]:
    """Return the exit code of a worker that does not start, and the line that says why: its last."""
    code = await worker.exit_code()
    assert "Traceback" not in worker.log
    return code, worker.log.splitlines()[-1]


async def mended(deployment: Deployment, **variables: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let a worker with wrong variables take a hook, and one without them store it; return the health of the first and
    its answer.
    """
    worker = deployment.worker("a").start(**variables)
    health = await deployment.until_status(worker, "degraded")
    accepted = await deployment.post(worker, HOOK)
    assert await worker.terminate() == 0
    worker.start()
    await deployment.until_rows("event_type = 'service.lifecycle.started'", 1)
    return health, accepted


async def test_resilience_16_f15_a_bad_variable_is_one_line_with_its_name(deployment: Deployment) -> None:
    code, line = await refusal(deployment.worker("a").start(BRIDGE_WEB_PORT="seventy"))

    assert code == 2
    assert "BRIDGE_WEB_PORT=seventy" in line


async def test_resilience_16_f15_a_changelog_with_other_partitions_is_one_line_with_the_cure(
    deployment: Deployment,
) -> None:
    changelog = f"{deployment.agents_group}-intelligence-changelog"
    await deployment.cluster.create(changelog, PARTITIONS + 1)
    code, line = await refusal(deployment.worker("a").start())

    assert code == 3
    assert changelog in line
    assert f"{PARTITIONS + 1} partitions" in line
    assert f"expected {PARTITIONS}" in line


async def test_resilience_16_f15_a_topic_that_was_made_anew_is_one_line_with_the_cure(deployment: Deployment) -> None:
    worker = deployment.worker("a").start()
    await deployment.until_ready(worker)
    await deployment.post(worker, HOOK)
    await deployment.until_committed(deployment.agents_group, await deployment.ends(HOOKS), seconds=30)
    await eventually(lambda: _has_records(deployment, OBSERVATIONS), "an observation")
    await deployment.until_committed(deployment.agents_group, await deployment.ends(OBSERVATIONS), seconds=30)
    assert await worker.terminate() == 0
    await deployment.cluster.delete(deployment.topic(OBSERVATIONS))
    code, line = await refusal(worker.start())

    assert code == 3
    assert deployment.topic(OBSERVATIONS) in line
    assert "delete" in line


async def _has_records(deployment: Deployment, topic: str) -> bool:
    return any((await deployment.ends(topic)).values())


async def test_resilience_16_f15_missing_topics_are_made_also_one_of_another_producer_later(
    deployment: Deployment,
) -> None:
    await deployment.cluster.delete(deployment.extra_topic)
    worker = deployment.worker("a").start()
    await deployment.until_ready(worker)
    await deployment.cluster.create(deployment.extra_topic, 1)
    await deployment.produce(deployment.extra_topic, b'{"event_type": "late.topic", "payload": {}}')

    await deployment.until_rows("event_type = 'late.topic'", 1, seconds=20)
    await deployment.until_committed(
        deployment.adapter_group, {TopicPartition(deployment.topic(EXTRA), 0): 1}, seconds=20
    )


async def test_resilience_16_f15_topics_that_cannot_be_made_are_named_and_hooks_wait_for_them(
    deployment: Deployment,
) -> None:
    health, accepted = await mended(deployment, KAFKA_REPLICATION_FACTOR="3")

    assert "InvalidReplicationFactor" in health["checks"]["kafka"]["reason"]
    assert accepted["event_published"] is False


async def test_resilience_16_f15_a_wrong_password_is_named_and_hooks_wait_until_it_is_right(
    deployment: Deployment,
) -> None:
    health, accepted = await mended(deployment, POSTGRES_PASSWORD="wrong")

    assert "password authentication failed" in health["checks"]["database"]["reason"]
    assert accepted["event_published"] is True


async def test_resilience_16_f15_a_missing_migration_is_named_and_rows_come_once_it_is_there(
    deployment: Deployment, tmp_path: Path
) -> None:
    worker = deployment.worker("a").start(POSTGRES_MIGRATE_ON_START="false")
    health = await deployment.until_status(worker, "degraded")
    accepted = await deployment.post(worker, HOOK)
    other = deployment.worker("b").start()
    await deployment.until_ready(other)
    await deployment.until_rows("event_type = 'service.lifecycle.started'", 1)
    await deployment.until_status(worker, "healthy")

    assert "migration 0001_event_logs is missing" in health["checks"]["database"]["reason"]
    assert accepted["event_published"] is True


async def test_resilience_16_f15_a_migration_that_was_changed_is_named_and_nothing_is_written(
    deployment: Deployment,
) -> None:
    worker = deployment.worker("a").start()
    await deployment.until_ready(worker)
    await deployment.until_status(worker, "healthy")
    assert await worker.terminate() == 0
    await deployment.sql.execute(
        "UPDATE schema_migrations SET checksum = 'x' WHERE name = '0002_intelligence_patterns'"
    )
    worker.start()
    health = await deployment.until_status(worker, "degraded")
    await deployment.post(worker, HOOK)

    assert "migration 0002_intelligence_patterns was changed" in health["checks"]["database"]["reason"]
    assert await deployment.sql.fetchval("SELECT count(*) FROM event_logs") == 0
