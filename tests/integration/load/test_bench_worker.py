"""The parts of the benchmark that ask a real worker do so, and count what became of it."""

import os
from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

import pytest

from tests.load import connect_jars, rows, workload
from tests.load.adapter import BACKLOG, BRIDGE, COPY, ONE_BY_ONE, PLAIN, AdapterBench
from tests.load.adapter_lag import Schedule
from tests.load.adapter_ways import ConnectSink, Way
from tests.load.broker import Broker
from tests.load.hooks import BARE_NAME, HEALTH_NAME, PRODUCING_NAME, STARTS_NAME, HookBench
from tests.load.outbox import OutboxBench
from tests.load.rows import RowBench

RATE = 20
#: All of a row but the name of its topic and when it was made.
SAME = """
    SELECT event_id, session_id, correlation_id, causation_id, event_type, "partition", "offset", event_key, timestamp,
        kafka_timestamp > now() - interval '10 minutes', status, processing_time_ms, payload, metadata
    FROM event_logs ORDER BY event_id
"""
SHORT = Schedule(burst=200, settle=0.2, measured=0.5)


@pytest.fixture
def mark() -> str:
    return f"bench-test-{uuid4().hex[:8]}"


@pytest.fixture
def environ(stack: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **stack}


@pytest.fixture
async def broker(kafka: str, mark: str) -> AsyncIterator[Broker]:
    async with Broker(kafka, mark=mark, partitions=workload.PARTITIONS) as broker:
        yield broker


async def test_bench_hooks_asks_every_server_and_finds_every_hook_stored(
    broker: Broker, mark: str, environ: Mapping[str, str]
) -> None:
    bench = HookBench(broker, mark, environ, seconds=0.3, paced=0.3)
    await bench.round(1)

    assert set(bench.floods) == set(bench.paced) == {BARE_NAME, PRODUCING_NAME, STARTS_NAME, HEALTH_NAME}
    assert all(run.rate > 0 and run.calls for runs in bench.floods.values() for run in runs)
    assert all(len(calls) == 30 for calls in bench.paced.values())
    assert f"- {STARTS_NAME}: " in bench.report()


async def test_bench_rows_sees_the_row_and_the_pattern_of_every_hook(
    broker: Broker, mark: str, environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "FIRST_RATE", RATE)
    monkeypatch.setattr(rows, "FLAT_SECONDS", rows.DRAIN_SECONDS)  # how fast this machine is just now is not the point
    bench = RowBench(mark, environ, step_seconds=1, measured_seconds=1)
    await bench.run(highest_rate=RATE)

    assert bench.highest == RATE
    assert bench.measured is not None
    assert len(bench.measured.rows) == len(bench.measured.patterns) == RATE / 2
    assert all(0 < row <= rows.DRAIN_SECONDS for row in bench.measured.rows)


async def test_bench_outbox_watches_the_replay_of_every_hook_of_an_outage(
    mark: str, environ: Mapping[str, str]
) -> None:
    bench = OutboxBench(mark, environ, events=500)
    await bench.round(1)

    (replay,) = bench.replays
    assert replay.lasted >= 0
    assert "- replay of 500 events: " in bench.report()


@pytest.mark.parametrize("way", [BRIDGE, PLAIN, ONE_BY_ONE, COPY], ids=lambda way: way.name)
async def test_bench_adapter_lets_a_program_store_a_backlog_and_follow_a_topic(
    broker: Broker, mark: str, environ: Mapping[str, str], way: Way
) -> None:
    bench = AdapterBench(broker, mark, environ, [way], events=500, schedule=SHORT)
    await bench.round(1)

    (sample,), (lag,) = bench.results[BACKLOG][way.name], bench.lags[way.name]
    assert sample.items == 500 * way.share
    assert sample.rate > 0 < sample.cpu_seconds
    assert 0 < lag.p50 <= lag.p95 <= lag.p99


@pytest.mark.skipif(not connect_jars.are_cached(), reason="`make bench ARGS=adapter` fetches Kafka Connect, once")
async def test_bench_adapter_lets_kafka_connect_store_the_same_rows(
    broker: Broker, mark: str, environ: Mapping[str, str]
) -> None:
    connect = ConnectSink("Connect", warm_up=100)
    bench = AdapterBench(broker, mark, environ, [PLAIN, connect])
    async with bench.place(connect, "same") as place:
        sample = await connect.backlog(place, 400)
        stored = await place.postgres.fetch(SAME)
    async with bench.place(PLAIN, "same") as place:
        await PLAIN.backlog(place, 500)
        expected = await place.postgres.fetch(SAME)

    assert sample.items == 400
    assert sample.rate > 0 < sample.cpu_seconds
    assert stored == expected
