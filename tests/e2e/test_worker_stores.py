"""Start, stop and watchdog of a worker whose stores are away or hang (resilience §7, §8, §9)."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from deploy.local.consul import Consul
from deploy.local.postgres import Postgres
from tests.e2e.bridge import Bridge, lifecycle
from tests.e2e.deployment import deployment
from tests.lab.cluster import Cluster
from tests.lab.services import OwnServer
from tests.lab.waiting import eventually

PORT = 27086
CLIENTS = 20
STOP_SECONDS = 30


@pytest.fixture
async def bridge_apart(
    stack: Mapping[str, str], own_postgres: OwnServer[Postgres], tmp_path: Path
) -> AsyncIterator[Bridge]:
    """A bridge with a PostgreSQL for itself, which runs; its worker is not started."""
    await own_postgres.start()
    async with deployment({**stack, **own_postgres.environ}, tmp_path, PORT, WATCHDOG_STALL_SECONDS="2") as found:
        yield found
        await own_postgres.resume()


async def accept(bridge: Bridge) -> str | None:
    """Post a hook; return the id of its event when it was accepted, None when it was refused or not answered."""
    hook = lifecycle(f"s-{uuid4().hex[:8]}", instance_id="1")
    try:
        status, answer = await bridge.post("/hooks/service/lifecycle", hook)
    except (aiohttp.ClientError, ConnectionError):
        return None
    return str(answer["data"]["hook_id"]).removeprefix("hook_") if status == 200 else None


async def stored(bridge: Bridge, ids: set[str]) -> bool:
    """Tell whether every event has its row."""
    try:
        rows = await bridge.postgres.fetch("SELECT event_id::text AS id FROM event_logs")
    except (asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
        return False
    return ids <= {row["id"] for row in rows}


async def test_resilience_13_sigterm_under_load_exits_with_0_and_loses_nothing_that_was_accepted(
    stack: Mapping[str, str], tmp_path: Path
) -> None:
    async with deployment(stack, tmp_path, PORT) as bridge:
        bridge.worker.start()
        await bridge.eventually(bridge.is_ready, within=30)
        ids: set[str] = set()
        ended = asyncio.Event()

        async def client() -> None:
            while not ended.is_set():
                accepted = await accept(bridge)
                if accepted is not None:
                    ids.add(accepted)

        clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
        await eventually(lambda: len(ids) >= 500, "load")
        told = time.monotonic()
        assert await bridge.worker.terminate(seconds=STOP_SECONDS) == 0
        assert time.monotonic() - told <= STOP_SECONDS
        ended.set()
        await asyncio.gather(*clients)

        cluster = Cluster(bridge.environ["KAFKA_BOOTSTRAP_SERVERS"])
        await cluster.start()
        try:
            values = b"\n".join(record.value for record in await cluster.read(bridge.topic("hooks.service_lifecycle")))
        finally:
            await cluster.stop()
        assert {one for one in ids if one.encode() not in values} == set()
        bridge.worker.start()
        await bridge.eventually(bridge.is_ready, within=30)
        await bridge.eventually(lambda: stored(bridge, ids), within=60)
        assert await bridge.worker.terminate() == 0


async def test_a_worker_that_stops_refuses_new_requests_and_closes_their_connections(
    stack: Mapping[str, str], tmp_path: Path
) -> None:
    """A hanging database holds the stop up for long enough to look."""
    async with deployment(stack, tmp_path, PORT) as bridge:
        bridge.worker.start()
        await bridge.eventually(bridge.is_ready, within=30)
        refusals: list[tuple[int, str | None]] = []

        async def ask() -> bool:
            try:
                async with bridge.session.get(f"{bridge.url}/intelligence/patterns") as answer:
                    refusals.append((answer.status, answer.headers.get("Connection")))
            except aiohttp.ClientError:
                refusals.append((0, None))
            return refusals[-1][0] != 200

        asking = asyncio.create_task(bridge.eventually(ask, within=30))
        assert await bridge.worker.terminate() == 0
        await asking
        assert refusals[-1] in ((503, "close"), (0, None))


async def test_resilience_13_sigterm_with_a_hanging_postgres_ends_in_time_and_loses_no_row(
    bridge_apart: Bridge, own_postgres: OwnServer[Postgres]
) -> None:
    bridge = bridge_apart
    bridge.worker.start()
    await bridge.eventually(bridge.is_ready, within=30)
    first = await accept(bridge)
    assert first is not None
    await bridge.eventually(lambda: stored(bridge, {first}), within=30)
    await own_postgres.pause()
    # At once: the watchdog ends a worker whose writes hang for 2 s, before Postgres counts as away.
    ids = {one for one in await asyncio.gather(*(accept(bridge) for _ in range(50))) if one is not None}
    assert len(ids) == 50

    assert await bridge.worker.terminate(seconds=STOP_SECONDS) == 0

    await own_postgres.resume()
    bridge.worker.start()
    await bridge.eventually(bridge.is_ready, within=30)  # the rows may have come from the batch that was abandoned
    await bridge.eventually(lambda: stored(bridge, ids), within=60)
    assert await bridge.worker.terminate() == 0


async def test_resilience_14_postgres_away_does_not_end_the_worker(
    bridge_apart: Bridge, own_postgres: OwnServer[Postgres]
) -> None:
    """For six times as long as a stall may last."""
    bridge = bridge_apart
    bridge.worker.start()
    await bridge.eventually(bridge.is_ready, within=30)
    await own_postgres.stop()
    ids = {one for one in [await accept(bridge) for _ in range(10)] if one is not None}
    assert len(ids) == 10
    since = await uptime(bridge)

    async def long_enough() -> bool:
        return await uptime(bridge) >= since + 12

    await bridge.eventually(long_enough, within=40)
    assert bridge.worker.is_running

    await own_postgres.start()
    await bridge.eventually(lambda: stored(bridge, ids), within=60)
    assert await bridge.worker.terminate() == 0


async def test_resilience_12_a_start_with_postgres_and_consul_down_is_completed_when_they_come(
    bridge_apart: Bridge, own_postgres: OwnServer[Postgres], own_consul: OwnServer[Consul]
) -> None:
    bridge = bridge_apart
    await own_postgres.stop()
    bridge.environ = {**bridge.environ, **own_consul.environ}
    bridge.worker.start(**own_consul.environ)
    await bridge.eventually(bridge.is_ready, within=30)
    data = await report(bridge)
    assert (data["status"], data["checks"]["kafka"]["status"]) == ("degraded", "healthy")
    assert (data["checks"]["database"]["status"], data["checks"]["consul"]["status"]) == ("unhealthy", "unhealthy")
    status, answer = await bridge.get("/intelligence/patterns/pattern_00000000-0000-4000-8000-000000000001")
    assert (status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    ids = {one for one in [await accept(bridge) for _ in range(10)] if one is not None}
    assert len(ids) == 10

    await asyncio.gather(own_postgres.start(), own_consul.start())
    up = time.monotonic()
    await bridge.eventually(lambda: stored(bridge, ids), within=60)
    await bridge.eventually(lambda: registered(bridge), within=60)
    await bridge.eventually(lambda: healthy(bridge), within=60)
    assert time.monotonic() - up <= 60
    assert await bridge.worker.terminate() == 0


async def report(bridge: Bridge) -> dict[str, Any]:
    data: dict[str, Any] = (await bridge.get("/health"))[1]["data"]
    return data


async def uptime(bridge: Bridge) -> float:
    return float((await report(bridge))["uptime_seconds"])


async def healthy(bridge: Bridge) -> bool:
    return bool((await report(bridge))["status"] == "healthy")


async def registered(bridge: Bridge) -> bool:
    return await bridge.consul_service(f"omninode-bridge-{bridge.worker.name}") is not None
