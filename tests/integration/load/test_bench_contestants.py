"""Every contestant of the benchmark does its work on the real broker: otherwise the comparison is with nothing."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.load import workload
from tests.load.broker import Broker
from tests.load.contest import BRIDGE, CONTESTANTS, STOCK, Contestant, run

EVENTS = 2000
KEYS = 50


@pytest.fixture
def mark() -> str:
    return f"bench-test-{uuid4().hex[:8]}"


@pytest.fixture
async def broker(kafka: str, mark: str) -> AsyncIterator[Broker]:
    async with Broker(kafka, mark=mark, partitions=workload.PARTITIONS) as broker:
        await broker.fill(f"{mark}.in", workload.records(EVENTS, KEYS))
        yield broker


@pytest.mark.parametrize("contestant", CONTESTANTS, ids=lambda contestant: contestant.name)
async def test_bench_contestant_counts_every_event_once(broker: Broker, mark: str, contestant: Contestant) -> None:
    report = await asyncio.to_thread(
        run, contestant, servers=broker.servers, topic=f"{mark}.in", events=EVENTS, app_id=mark
    )

    assert report.seconds > 0
    assert report.cpu_seconds > 0
    if contestant.changelog is not None:
        assert await broker.recount(contestant.changelog(mark, f"{mark}.in"), contestant.events_of) == EVENTS


@pytest.mark.parametrize("contestant", [BRIDGE, STOCK], ids=lambda contestant: contestant.name)
async def test_bench_contestant_recovers_a_wiped_table(broker: Broker, mark: str, contestant: Contestant) -> None:
    assert contestant.changelog is not None
    topic, again = f"{mark}.in", f"{mark}-again"
    await asyncio.to_thread(run, contestant, servers=broker.servers, topic=topic, events=EVENTS, app_id=mark)
    records = await broker.copy(contestant.changelog(mark, topic), contestant.changelog(again, topic))

    report = await asyncio.to_thread(
        run, contestant, servers=broker.servers, topic=topic, events=records, app_id=again, recover=True
    )

    assert report.seconds > 0
    assert report.keys == KEYS
