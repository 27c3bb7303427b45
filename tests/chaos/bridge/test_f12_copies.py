"""F12: events come again, elsewhere, swapped and late, before and after a restart: each is applied once."""

import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from tests.chaos.bridge.runs import RUNS, Run
from tests.lab.deployment import ENVIRONMENT, EXTRA, HOOKS, PATTERNS, Deployment
from tests.lab.trial import Trial

COPIES = 5
#: The state of a series remembers the last 256 ids: of older events a copy may be anybody's.
REMEMBERED = 100
SAMPLE = 60
#: Earlier than any event of the trial, by more than the 5 minutes from which on a time is not believed.
LATE_MS = 10 * 60 * 1000


class Copier:
    """Sends copies of records that are on the topics already."""

    def __init__(self, deployment: Deployment, producer: AIOKafkaProducer, rng: random.Random) -> None:
        self._deployment = deployment
        self._producer = producer
        self._rng = rng

    async def again(self, topic: str) -> int:
        """Send copies of a sample of a topic: five to the same place, one to another partition, one that is late; all
        of them in an order that is not theirs. Return how many there are."""
        records = [record for record in await self._recent(topic) if self._is_stored_as_itself(record)]
        copies = [
            (record, partition, late)
            for record in self._rng.sample(records, min(SAMPLE, len(records)))
            for partition, late in [
                *[(record.partition, 0)] * COPIES,
                ((record.partition + 1) % self._deployment.partitions, 0),
                (record.partition, LATE_MS),
            ]
        ]
        self._rng.shuffle(copies)
        for record, partition, late in copies:
            await self._producer.send(
                record.topic, record.value, key=record.key, partition=partition, headers=list(record.headers),
                timestamp_ms=record.timestamp - late,
            )  # fmt: skip
        await self._producer.flush()
        return len(copies)

    async def _recent(self, topic: str) -> Iterable[Any]:
        by_key: dict[bytes, list[Any]] = defaultdict(list)
        for record in await self._deployment.cluster.read(self._deployment.topic(topic)):
            by_key[record.key].append(record)
        return [record for records in by_key.values() for record in records[-REMEMBERED:]]

    def _is_stored_as_itself(self, record: Any) -> bool:
        """Tell whether a copy is the same event: not so where the position gives the id."""
        return b"event_id" in record.value or b'"id"' in record.value or bool(record.headers)

    async def stop_before_start(self) -> None:
        """Send an instance's stop before its start, as a producer of its own does."""
        info = {"name": "swapped", "version": "1", "instance_id": "swapped-1"}
        for change in ("stopped", "started"):
            event = {
                "event_id": str(uuid4()),
                "event_type": f"service.lifecycle.{change}",
                "environment": ENVIRONMENT,
                "payload": {"service_info": info, "derived": {"startup_time_ms": None}},
            }
            await self._producer.send_and_wait(self._deployment.topic(HOOKS), orjson.dumps(event), key=b"swapped")


@pytest.mark.parametrize("run", RUNS)
async def test_resilience_16_f12_copies_swapped_and_late_events_are_applied_once(
    deployment: Deployment, run: Run
) -> None:
    worker = deployment.worker("a").start()
    await deployment.until_ready(worker)
    trial = Trial(deployment, "F12 copies", run.seed())
    async with trial.under_load(run.seconds):
        pass
    await trial.settled()  # else a copy on another partition might be stored, and the original be the copy
    producer = AIOKafkaProducer(bootstrap_servers=deployment.cluster.servers)
    await producer.start()
    try:
        copier = Copier(deployment, producer, random.Random(trial.seed))
        for topic in (HOOKS, EXTRA):
            assert await copier.again(topic)
        await copier.stop_before_start()
        await trial.settled()
        assert await copier.again(PATTERNS)
        assert await worker.terminate() == 0
        for topic in (HOOKS, EXTRA, PATTERNS):
            assert await copier.again(topic)
    finally:
        await producer.stop()
    worker.start()

    (await trial.conclude()).assert_sound()
