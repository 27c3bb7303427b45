"""A worker is told to end while its broker is away or hangs (resilience §8)."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.integration.outbox.outage import Outage
from tests.lab.waiting import crowding, eventually

pytestmark = pytest.mark.timeout(240)

SERVICE = "omninode-bridge-outage"
#: For so long the worker has sent into the void before it is told to end.
AWAY_SECONDS = 4.0
#: Half of `SHUTDOWN_GRACE_SECONDS`, a good deal more than it takes.
EXIT_SECONDS = 15.0


async def is_registered(stack: Mapping[str, str]) -> bool:
    """Tell whether Consul's agent knows the worker."""
    url = f"http://{stack['CONSUL_HOST']}:{stack['CONSUL_PORT']}/v1/agent/services"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        services: dict[str, Any] = await response.json()
        return SERVICE in services


@pytest.mark.parametrize("fault", ["stopped", "frozen"])
async def test_resilience_13_sigterm_without_kafka_ends_the_worker_with_0_and_tidied_up_and_nothing_is_lost(
    outage: Outage, stack: Mapping[str, str], sql: "asyncpg.Connection[asyncpg.Record]", fault: str
) -> None:
    consul = {name: value for name, value in stack.items() if name.startswith("CONSUL_")}
    await outage.kafka.start()
    await outage.start(CONSUL_ENABLED="true", **consul)
    assert await is_registered(stack)
    before = await asyncio.gather(*(outage.post(number) for number in range(200)))  # the agents are in the midst of it
    await (outage.kafka.stop() if fault == "stopped" else outage.kafka.pause())
    away_since = time.monotonic()
    during = [await outage.post(number) for number in range(200, 210)]
    assert {(answer.status, answer.is_published) for answer in during} == {(200, False)}
    await eventually(lambda: time.monotonic() - away_since > AWAY_SECONDS, "ticks have met the outage")

    told = time.monotonic()
    assert await outage.worker.terminate(seconds=60) == 0
    assert time.monotonic() - told < EXIT_SECONDS * crowding()
    assert not await is_registered(stack)

    await (outage.kafka.start() if fault == "stopped" else outage.kafka.resume())
    outage.worker.start()
    await outage.events(210, seconds=60)
    answered = sorted(answer.event_id for answer in [*before, *during])

    async def stored() -> bool:
        rows = await sql.fetch("SELECT event_id::text FROM event_logs WHERE event_id::text = ANY($1)", answered)
        return sorted(row["event_id"] for row in rows) == answered

    await eventually(stored, "every event that was answered is stored, once", seconds=60)
