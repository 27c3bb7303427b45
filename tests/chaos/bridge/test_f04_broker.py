"""F4: the broker restarts, is down, is absent at the start, hangs: no POST fails, the outbox is replayed at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tests.chaos.bridge.runs import LONG_RUNS, RUNS, Run
from tests.lab.deployment import HOOKS, PARTITIONS, Deployment
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.trial import Trial
from tests.lab.waiting import crowding, eventually
from tests.lab.workload import Fate, Journal

#: 2 s from the first probe that succeeds; the probe of the test and a machine that is busy with W take their time.
REPLAY_SECONDS = 8.0
#: Until the members of both groups are heard of again and have worked off what came meanwhile.
RECOVERY_SECONDS = 60.0
PAUSED_SECONDS = 10.0
DOWN_SECONDS = 70.0


class Broken:
    """A deployment with one worker, and its broker, which is maltreated."""

    def __init__(self, deployment: Deployment, kafka: OwnServer[ProxiedKafka]) -> None:
        self.deployment = deployment
        self.kafka = kafka
        self.worker = deployment.worker("a")

    async def until_missed(self) -> None:
        """Wait until events wait in the outbox, and `/health` says why."""

        async def missed() -> bool:
            health = await self.deployment.health(self.worker)
            checks = health.get("checks", {})
            return bool(
                health.get("status") == "degraded"
                and checks["kafka"]["connected"] is False
                and checks["kafka"]["reason"]
                and checks["outbox"]["pending"] > 0
            )

        await eventually(missed, f"hooks go to the outbox; see {self.worker.log_path}")

    async def replay_seconds(self, journal: Journal) -> float:
        """Wait until the broker is found again; return how long it then takes until all that waited is on its topic."""

        async def found() -> bool:
            return bool((await self.deployment.health(self.worker))["checks"]["kafka"]["connected"])

        await eventually(found, f"the broker is found; see {self.worker.log_path}")
        began = time.monotonic()
        waited = {str(sent.event_id) for sent in journal.hooks if sent.fate is Fate.OK and not sent.acknowledged}
        await self._until_on_topic(waited)
        return time.monotonic() - began

    async def _until_on_topic(self, event_ids: set[str]) -> None:
        """Wait until events are on the topic of hooks. Each record is read once: the worker needs the machine now."""
        missing = {event_id.encode() for event_id in event_ids}
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.deployment.cluster.servers, auto_offset_reset="earliest", fetch_max_wait_ms=50
        )
        await eventually(lambda: _started(consumer), "the broker answers")
        partitions = [TopicPartition(self.deployment.topic(HOOKS), number) for number in range(PARTITIONS)]
        consumer.assign(partitions)

        async def none_missing() -> bool:
            for records in (await consumer.getmany(timeout_ms=50)).values():
                missing.difference_update(dict(record.headers)["event_id"] for record in records)
            return not missing

        try:
            await eventually(none_missing, f"{len(event_ids)} events are replayed; see {self.worker.log_path}")
        finally:
            await consumer.stop()


async def _started(consumer: AIOKafkaConsumer) -> bool:
    try:
        await consumer.start()
    except KafkaError:
        return False
    return True


@pytest.fixture
async def broken(stack: Mapping[str, str], own_kafka: OwnServer[ProxiedKafka], tmp_path: Path) -> AsyncIterator[Broken]:
    await own_kafka.start()
    async with Deployment(tmp_path, {**stack, **own_kafka.environ}) as deployment:
        yield Broken(deployment, own_kafka)
        await own_kafka.resume()


@pytest.mark.parametrize("run", RUNS)
async def test_resilience_16_f4_a_broker_that_restarts_or_hangs_costs_no_hook(broken: Broken, run: Run) -> None:
    broken.worker.start()
    await broken.deployment.until_ready(broken.worker)
    trial = Trial(broken.deployment, "F4 broker", run.seed())
    async with trial.under_load(run.seconds) as journal:
        await broken.kafka.stop()
        await broken.until_missed()
        await broken.kafka.start()
        restarted = await broken.replay_seconds(journal)
        trial.fault_over()
        assert await trial.recovered() < RECOVERY_SECONDS

        await broken.kafka.pause()
        await asyncio.sleep(PAUSED_SECONDS)
        await broken.until_missed()
        await broken.kafka.resume()
        paused = await broken.replay_seconds(journal)
        trial.fault_over()
    report = await trial.conclude()

    report.assert_sound()
    assert trial.refused_hooks() == {}
    assert max(restarted, paused) < REPLAY_SECONDS * crowding()


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_resilience_16_f4_a_broker_that_is_down_for_70_seconds_costs_no_hook(broken: Broken, run: Run) -> None:
    broken.worker.start()
    await broken.deployment.until_ready(broken.worker)
    trial = Trial(broken.deployment, "F4 broker down", run.seed())
    async with trial.under_load(run.seconds) as journal:
        await broken.kafka.kill()
        await asyncio.sleep(DOWN_SECONDS)
        await broken.until_missed()
        await broken.kafka.start()
        replayed = await broken.replay_seconds(journal)
        trial.fault_over()
    report = await trial.conclude()

    report.assert_sound()
    assert trial.refused_hooks() == {}
    assert replayed < REPLAY_SECONDS * crowding()


@pytest.mark.parametrize("run", RUNS)
async def test_resilience_16_f4_a_broker_that_is_down_at_the_start_is_joined_by_itself(
    broken: Broken, run: Run
) -> None:
    await broken.kafka.stop()
    broken.worker.start()
    await eventually(lambda: broken.deployment.answers(broken.worker), "the worker answers")
    trial = Trial(broken.deployment, "F4 no broker", run.seed())
    async with trial.under_load(run.seconds) as journal:
        await broken.until_missed()
        await broken.kafka.start()
        replayed = await broken.replay_seconds(journal)
        await broken.deployment.until_ready(broken.worker)
        trial.fault_over()
    report = await trial.conclude()

    report.assert_sound()
    assert trial.refused_hooks() == {}
    assert replayed < REPLAY_SECONDS * crowding()
