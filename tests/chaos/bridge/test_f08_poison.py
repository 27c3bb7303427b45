"""F8: poison on every topic that the bridge reads: one dead letter each, the neighbours are stored."""

from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from tests.chaos.bridge.runs import RUNS, Run
from tests.lab.deployment import HOOKS, OBSERVATIONS, Deployment
from tests.lab.poison import BIG, POISONS, Poison, neighbour
from tests.lab.trial import Trial
from tests.lab.waiting import eventually

#: Topics that the adapter reads: what is poison there is dead-lettered by it.
ADAPTER_TOPICS = (
    HOOKS,
    "hooks.tool_registration",
    "hooks.tool_execution",
    "proxy.requests",
    "proxy.cache",
    "intelligence.patterns",
    "intelligence.performance",
    "configuration.changes",
    "system.errors",
    "foreign",
)
#: A topic of dead letters: what is none there is kept as if it were its own.
LETTERS = "hooks.tool_execution.dlq"
#: What only the domain refuses: stored, and dead-lettered by its agent.
REJECTED = orjson.dumps({"event_type": "service.lifecycle.started", "payload": {"x": 1}})


@dataclass
class Expected:
    """What must be found: letters by the position of the bad record, and the ids of the neighbours."""

    letters: dict[tuple[str, int, int], tuple[str, str]] = field(default_factory=dict)
    neighbours: list[str] = field(default_factory=list)


class Poisoner:
    """Sends poison, and notes what it must lead to."""

    def __init__(self, deployment: Deployment, producer: AIOKafkaProducer) -> None:
        self.expected = Expected()
        self._deployment = deployment
        self._producer = producer

    async def _send(self, topic: str, value: bytes | None, key: bytes) -> tuple[str, int, int]:
        sent = await self._producer.send_and_wait(self._deployment.topic(topic), value, key=key)
        return sent.topic, sent.partition, sent.offset

    async def poison(self, topic: str, poison: Poison, agent: str) -> None:
        """Send one bad record; neighbours go with it where the adapter reads."""
        key = poison.name.encode()
        position = await self._send(topic, poison.value, key)
        self.expected.letters[position] = (poison.error_type, agent)
        for size in (10, BIG if poison.name == "null" else 10) if topic in ADAPTER_TOPICS else ():
            event_id, value = neighbour(size=size)
            await self._send(topic, value, key)
            self.expected.neighbours.append(event_id)


@pytest.mark.parametrize("run", RUNS)
async def test_resilience_16_f8_poison_on_every_topic_is_one_dead_letter_each_and_harms_nobody(
    deployment: Deployment, run: Run
) -> None:
    worker = deployment.worker("a").start()
    await deployment.until_ready(worker)
    trial = Trial(deployment, "F8 poison", run.seed())
    producer = AIOKafkaProducer(bootstrap_servers=deployment.cluster.servers, max_request_size=4 * BIG)
    await producer.start()
    try:
        poisoner = Poisoner(deployment, producer)
        async with trial.under_load(run.seconds):
            for poison in POISONS:
                for topic in ADAPTER_TOPICS:
                    await poisoner.poison(topic, poison, "database_adapter")
                await poisoner.poison(OBSERVATIONS, poison, "intelligence")
                await poisoner.poison(LETTERS, poison, "database_adapter")
            rejected = Poison("rejected by its domain", REJECTED, "INVALID_PAYLOAD")
            await poisoner.poison(HOOKS, rejected, "intelligence_observe")
    finally:
        await producer.stop()
    expected = poisoner.expected
    report = await trial.conclude(dead_letters=len(expected.letters))

    await eventually(_found(deployment, expected), "every dead letter is a row")
    report.assert_sound()
    assert await _letters(deployment) == _as_stored(deployment, expected)
    stored = await deployment.sql.fetchval(
        "SELECT count(*) FROM event_logs WHERE event_id = ANY($1::uuid[])", expected.neighbours
    )
    assert stored == len(expected.neighbours)
    assert (await deployment.health(worker))["status"] == "healthy"


def _found(deployment: Deployment, expected: Expected) -> Any:
    async def found() -> bool:
        return len(await _letters(deployment)) >= len(expected.letters)

    return found


async def _letters(deployment: Deployment) -> list[tuple[Any, ...]]:
    rows = await deployment.sql.fetch(
        "SELECT original_topic, original_partition, original_offset, error_type, agent FROM dead_letters"
    )
    return sorted(map(tuple, rows))


def _as_stored(deployment: Deployment, expected: Expected) -> list[tuple[Any, ...]]:
    """A bad record of a topic of letters counts as one of the topic that these are from."""
    letters = ((topic.removesuffix(".dlq"), *position, *why) for (topic, *position), why in expected.letters.items())
    return sorted(letters)
