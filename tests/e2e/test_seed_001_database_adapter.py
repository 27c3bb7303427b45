"""Scenario 5 of seed 001, "Database Adapter Event Consumption", against a running worker and the real services.

Its six suites: events become rows, the consumer's lag, order, idempotency, batches, and what cannot be handled. Limits
of time are those of the seed, for a machine that has nothing else to do.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

import orjson
import pytest

from tests.e2e.bridge import Bridge
from tests.e2e.deployment import deployment
from tests.e2e.producing import letter_of, produce_all, produce_burst, producer_of
from tests.lab.cluster import Cluster
from tests.lab.waiting import crowding

PORT = 27096
EXTRA = "e2e.events"
BURSTS, BURST = 15, 100
LAG_SECONDS = 0.1
LAG_RATE = 500
EVENTS_PER_SECOND = 1000
BACKLOG = 20_000


@pytest.fixture(scope="module")
async def bridge(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """A bridge that also stores a topic of somebody else."""
    prefix = f"e2e-{uuid4().hex[:12]}."
    variables = {"KAFKA_TOPIC_PREFIX": prefix, "ADAPTER_EXTRA_TOPICS": f"{prefix}{EXTRA}"}
    async with deployment(stack, tmp_path_factory.mktemp("seed-001"), PORT, **variables) as found:
        cluster = Cluster(stack["KAFKA_BOOTSTRAP_SERVERS"])
        await cluster.start()
        try:
            await cluster.create(found.topic(EXTRA), 2)
        finally:
            await cluster.stop()
        found.worker.start()
        await found.eventually(found.is_ready, within=60 * crowding())
        yield found
        assert await found.worker.terminate() == 0, found.worker.log


def events_of(count: int, **fields: Any) -> dict[str, bytes]:
    """Return events of about 250 bytes by their ids."""
    ids = [str(uuid4()) for _ in range(count)]
    event = {"event_type": "test_event", "payload": {"text": "x" * 100}, **fields}
    return {event_id: orjson.dumps({"event_id": event_id, **event}) for event_id in ids}


async def stored(bridge: Bridge, ids: Sequence[str], *, within: float = 60) -> None:
    """Return when each event has its one row."""

    async def all_there() -> bool:
        query = "SELECT count(*) FROM event_logs WHERE event_id = ANY($1::uuid[])"
        return bool(await bridge.postgres.fetchval(query, ids) == len(ids))

    await bridge.eventually(all_there, within=within)


async def produce(bridge: Bridge, events: Mapping[str, bytes], key: bytes | None = None) -> None:
    async with producer_of(bridge) as producer:
        await produce_burst(producer, bridge.topic(EXTRA), ((key, value) for value in events.values()))


async def test_database_adapter_event_consumption(bridge: Bridge) -> None:
    correlation_id = f"consumption-{uuid4()}"
    events = events_of(100, correlation_id=correlation_id)
    await produce(bridge, events)
    await stored(bridge, list(events))
    rows = await bridge.postgres.fetch("SELECT * FROM event_logs WHERE correlation_id = $1", correlation_id)
    assert {str(row["event_id"]) for row in rows} == set(events)
    for row in rows:
        sent = orjson.loads(events[str(row["event_id"])])
        assert (row["event_type"], orjson.loads(row["payload"])) == (sent["event_type"], sent["payload"])
        assert (row["topic"], row["status"]) == (bridge.topic(EXTRA), "completed")


async def test_database_adapter_consumer_lag(bridge: Bridge) -> None:
    """95 of 100 events are stored within 100 ms of their publication, at 500 events a second."""
    correlation_id = f"lag-{uuid4()}"
    await produce(bridge, events_of(100))
    async with producer_of(bridge) as producer:
        started = time.monotonic()
        ids: list[str] = []
        for number in range(50):
            events = events_of(20, correlation_id=correlation_id)
            await produce_burst(producer, bridge.topic(EXTRA), ((None, value) for value in events.values()))
            ids += events
            await asyncio.sleep(max(0.0, started + (number + 1) * 20 / LAG_RATE - time.monotonic()))
    await stored(bridge, ids)
    lag = await bridge.postgres.fetchval(
        "SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - kafka_timestamp)) "
        "FROM event_logs WHERE correlation_id = $1",
        correlation_id,
    )
    assert lag < LAG_SECONDS * crowding()


async def test_database_adapter_event_ordering(bridge: Bridge) -> None:
    correlation_id = f"order-{uuid4()}"
    times = [f"2024-01-15T10:30:{second:02}.5Z" for second in range(20)]
    events: dict[str, bytes] = {}
    for at in times:
        events |= events_of(1, correlation_id=correlation_id, timestamp=at)
    await produce_all(bridge, EXTRA, [(b"one-key", value) for value in events.values()])
    await stored(bridge, list(events))
    for order in ("timestamp", '"offset"'):
        query = f"SELECT event_id::text FROM event_logs WHERE correlation_id = $1 ORDER BY {order}"
        assert [row[0] for row in await bridge.postgres.fetch(query, correlation_id)] == list(events)


async def test_database_adapter_idempotency(bridge: Bridge) -> None:
    """One event five times, twice of them after a restart: one row."""
    correlation_id = f"copies-{uuid4()}"
    [(event_id, value)] = events_of(1, correlation_id=correlation_id).items()
    await produce_all(bridge, EXTRA, [(b"copy", value)] * 3)
    await stored(bridge, [event_id])
    assert await bridge.worker.terminate() == 0, bridge.worker.log
    bridge.worker.start()
    await bridge.eventually(bridge.is_ready, within=60 * crowding())
    [(behind, last)] = events_of(1).items()
    await produce_all(bridge, EXTRA, [(b"copy", value), (b"copy", value), (b"copy", last)])
    await stored(bridge, [behind])
    query = "SELECT count(*) FROM event_logs WHERE correlation_id = $1"
    assert await bridge.postgres.fetchval(query, correlation_id) == 1


async def test_database_adapter_batch_processing(bridge: Bridge) -> None:
    """1,500 events in 15 bursts of 100: none is lost, none is there twice."""
    correlation_id = f"batch-{uuid4()}"
    bursts = [events_of(BURST, correlation_id=correlation_id) for _ in range(BURSTS)]
    async with producer_of(bridge) as producer:
        for burst in bursts:
            await produce_burst(producer, bridge.topic(EXTRA), ((None, value) for value in burst.values()))
    acknowledged = time.monotonic()
    ids = [event_id for burst in bursts for event_id in burst]
    await stored(bridge, ids)
    took = time.monotonic() - acknowledged
    query = "SELECT count(*), count(DISTINCT event_id) FROM event_logs WHERE correlation_id = $1"
    assert tuple(await bridge.postgres.fetchrow(query, correlation_id) or ()) == (1500, 1500)
    assert took < 1.0 * crowding()


async def test_database_adapter_throughput(bridge: Bridge) -> None:
    """A backlog is stored at more than 1,000 events a second; `make bench` has the full one of 200,000."""
    correlation_id = f"backlog-{uuid4()}"
    assert await bridge.worker.terminate() == 0, bridge.worker.log
    events = events_of(BACKLOG, correlation_id=correlation_id)
    await produce(bridge, events)
    bridge.worker.start()
    await stored(bridge, list(events), within=60 + BACKLOG / EVENTS_PER_SECOND * crowding())
    seconds = await bridge.postgres.fetchval(
        "SELECT extract(epoch FROM max(stored_at) - min(stored_at))::float8 FROM event_logs WHERE correlation_id = $1",
        correlation_id,
    )
    assert BACKLOG / seconds > EVENTS_PER_SECOND / crowding()
    await bridge.eventually(bridge.is_ready, within=60 * crowding())


async def test_database_adapter_dlq_routing(bridge: Bridge) -> None:
    """What cannot be handled is set aside with its origin, what stands around it is stored in order."""
    bad = {
        "NULL_VALUE": None,
        "INVALID_UTF8": b"\xff\xfe",
        "INVALID_JSON": b'{"a":',
        "NOT_AN_OBJECT": b"[1]",
        "INVALID_PAYLOAD": b'{"event_type": "t", "payload": null}',
        "UNSUPPORTED_VALUE": b'{"event_type": "t", "payload": {"a": "\\u0000"}}',
    }
    good = events_of(len(bad), correlation_id=f"dlq-{uuid4()}")
    mixed = [record for pair in zip(bad.values(), good.values(), strict=True) for record in pair]
    positions = await produce_all(bridge, EXTRA, [(b"dlq", value) for value in mixed])
    await stored(bridge, list(good))
    for error_type, position in zip(bad, positions[::2], strict=True):

        async def letter(position: tuple[int, int] = position) -> Any:
            return await letter_of(bridge, EXTRA, position)

        row = await bridge.eventually(letter, within=15)
        assert (row["error_type"], row["status"], row["original_key"]) == (error_type, "pending", "dlq")
    query = 'SELECT event_id::text FROM event_logs WHERE event_id = ANY($1::uuid[]) ORDER BY "offset"'
    assert [row[0] for row in await bridge.postgres.fetch(query, list(good))] == list(good)
