"""What Postgres may do to the adapter (database-adapter §5, §6, acceptance 9, 10, 11, 13, 14)."""

import asyncio
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import orjson
import pytest

from agents.database_adapter import DatabaseAdapter
from bridge_app.domain.database_adapter.tally import Status
from tests.integration.database_adapter.conftest import Bench, altered, run_adapter
from tests.lab.waiting import eventually

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ADAPTER_BACKENDS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def event(**fields: Any) -> dict[str, Any]:
    return {"event_id": str(uuid4()), "event_type": "service.lifecycle.started", "payload": {"a": 1}, **fields}


@pytest.fixture
async def topic(bench: Bench) -> str:
    name = bench.settings.topic("hooks.service_lifecycle")
    await bench.create(name)
    return name


async def test_database_adapter_09_refused_rows_are_found_by_bisection(bench: Bench, topic: str) -> None:
    events = [event(payload={"processing_time_ms": n}) for n in range(1000)]
    await bench.send(topic, events)
    async with run_adapter(bench.settings) as adapter:
        await bench.until_rows(1000)
        await bench.until_committed(topic)
        before = adapter.snapshot()["transactions"]
        await bench.sql.execute("ALTER TABLE event_logs ADD CONSTRAINT odd CHECK (event_type <> 'odd')")
    bad = {17, 500, 998}
    await bench.send(topic, [event(event_type="odd" if n in bad else "even", payload={"n": n}) for n in range(1000)])
    async with run_adapter(bench.settings) as adapter:
        await bench.until_rows(1997)
        await bench.until_rows(3, "dead_letters")
        await bench.until_committed(topic)
        snapshot = adapter.snapshot()
    assert before >= 1
    assert snapshot["transactions"] + snapshot["errors"]["permanent"] <= 70 + snapshot["batches"]["count"]
    assert snapshot["dead_letters_by_error_type"] == {"ROW_REJECTED": 3}
    rows = [orjson.loads(row["letter"]) for row in await bench.sql.fetch("SELECT letter FROM dead_letters")]
    assert {row["original_event"]["payload"]["n"] for row in rows} == bad
    assert {row["error_context"]["sqlstate"] for row in rows} == {"23514"}
    assert {row["error_context"]["constraint"] for row in rows} == {"odd"}
    assert {row["error_context"]["table"] for row in rows} == {"event_logs"}


async def test_database_adapter_10_connections_cut_again_and_again(
    bench: Bench, topic: str, adapter: DatabaseAdapter
) -> None:
    await bench.send(topic, [event()])
    await bench.until_rows(1)
    members = await bench.members()
    assert len(members) == 1
    sent = 1
    for _ in range(10):
        await bench.send(topic, [event() for _ in range(200)])
        sent += 200
        await bench.sql.execute(ADAPTER_BACKENDS)
    await bench.until_rows(sent)
    await bench.until_committed(topic)
    assert await bench.count("dead_letters") == 0
    assert await bench.members() == members


async def test_database_adapter_10_postgres_away_and_back(
    bench: Bench, topic: str, adapter: DatabaseAdapter, admin_sql: Connection
) -> None:
    """Nobody may connect to the database any more, and who was connected is thrown out."""
    await bench.send(topic, [event()])
    await bench.until_rows(1)
    members = await bench.members()
    name = bench.settings.postgres_db
    await admin_sql.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    await bench.sql.execute(ADAPTER_BACKENDS)
    await bench.send(topic, [event() for _ in range(500)])
    await eventually(lambda: adapter.snapshot()["errors"]["transient"] >= 4, "the adapter waits")
    assert adapter.snapshot()["status"] == "waiting"
    await admin_sql.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    await bench.until_rows(501, seconds=10.0)
    await bench.until_committed(topic)
    assert adapter.snapshot()["status"] == "running"
    assert await bench.count("dead_letters") == 0
    assert await bench.members() == members


async def test_database_adapter_11_read_only(bench: Bench, topic: str, adapter: DatabaseAdapter) -> None:
    await bench.send(topic, [event()])
    await bench.until_rows(1)
    name = bench.settings.postgres_db
    await bench.sql.execute(f'ALTER ROLE CURRENT_USER IN DATABASE "{name}" SET default_transaction_read_only = on')
    await bench.sql.execute(ADAPTER_BACKENDS)
    await bench.send(topic, [event() for _ in range(500)])
    await eventually(
        lambda: (adapter.snapshot()["errors"]["last"] or "").startswith("Postgres refused: 25006"), "the refusal"
    )
    assert adapter.snapshot()["status"] == "waiting"
    await bench.sql.execute(f'ALTER ROLE CURRENT_USER IN DATABASE "{name}" RESET default_transaction_read_only')
    await bench.until_rows(501, seconds=10.0)
    assert await bench.count("dead_letters") == 0


async def test_database_adapter_11_table_lock(bench: Bench, topic: str, adapter: DatabaseAdapter) -> None:
    await bench.send(topic, [event()])
    await bench.until_rows(1)
    async with bench.sql.transaction():
        await bench.sql.execute("LOCK TABLE event_logs IN ACCESS EXCLUSIVE MODE")
        await bench.send(topic, [event() for _ in range(100)])

        async def blocked() -> bool:
            return await bench.sql.fetchval("SELECT 1 FROM pg_locks WHERE NOT granted") is not None

        await eventually(blocked, "the adapter waits for the lock")
    await bench.until_rows(101)
    assert await bench.count("dead_letters") == 0


async def test_database_adapter_11_statement_timeout_under_a_lock(bench: Bench, topic: str) -> None:
    async with run_adapter(altered(bench.settings, postgres_statement_timeout_ms=200)) as adapter:
        await bench.send(topic, [event()])
        await bench.until_rows(1)
        async with bench.sql.transaction():
            await bench.sql.execute("LOCK TABLE event_logs IN ACCESS EXCLUSIVE MODE")
            await bench.send(topic, [event() for _ in range(8)])
            await eventually(lambda: adapter.snapshot()["errors"]["transient"] >= 2, "two timeouts")
            assert adapter.snapshot()["errors"]["last"].startswith("Postgres refused: 57014")
        await bench.until_rows(9)
        assert await bench.count("dead_letters") == 0


async def test_database_adapter_13_topic_over_its_limit_stops(
    bench: Bench, topic: str, adapter: DatabaseAdapter
) -> None:
    other = bench.settings.topic("hooks.tool_execution")
    await bench.create(other)
    await bench.send(topic, [b"{"] * 200)
    await bench.until_rows(20, "dead_letters")
    await eventually(lambda: bool(adapter.problems()), "the topic stops")
    assert adapter.problems()[0].startswith(f"database_adapter stopped topic {topic}: INVALID_JSON")
    await bench.send(other, [event()])
    await bench.until_rows(1)
    await bench.until_committed(other)
    assert await bench.lag(topic) == 180
    assert await bench.count("dead_letters") == 20
    assert adapter.snapshot()["status"] == "running"


async def test_database_adapter_14_dropped_table_comes_back(bench: Bench, topic: str, adapter: DatabaseAdapter) -> None:
    await bench.send(topic, [event()])
    await bench.until_rows(1)
    await bench.sql.execute("DROP TABLE event_logs")
    await bench.send(topic, [event()])
    await bench.until_rows(1)
    assert await bench.count("dead_letters") == 0


async def test_database_adapter_14_table_that_cannot_be_repaired_stops_all(
    bench: Bench, topic: str, adapter: DatabaseAdapter
) -> None:
    await bench.send(topic, [event()])
    await bench.until_rows(1)
    await bench.sql.execute("ALTER TABLE event_logs RENAME COLUMN event_key TO lost")
    await bench.send(topic, [event()])
    await eventually(lambda: adapter.status is Status.STOPPED, "the adapter stops")
    assert "event_key" in adapter.problems()[0]
    assert await bench.lag(topic) == 1
    assert await bench.count("dead_letters") == 0


async def test_stop_finishes_the_batch_and_commits_it(bench: Bench, topic: str) -> None:
    async with run_adapter(bench.settings) as adapter:
        await bench.send(topic, [event()])
        await bench.until_rows(1)
        async with asyncio.TaskGroup() as group, bench.sql.transaction():
            await bench.sql.execute("LOCK TABLE event_logs IN ACCESS EXCLUSIVE MODE")
            await bench.send(topic, [event() for _ in range(50)])

            async def blocked() -> bool:
                return await bench.sql.fetchval("SELECT 1 FROM pg_locks WHERE NOT granted") is not None

            await eventually(blocked, "the adapter waits for the lock")
            group.create_task(adapter.stop())
            await eventually(lambda: adapter.should_stop, "the stop begins")
    await bench.until_rows(51)
    assert await bench.lag(topic) == 0
    assert await bench.members() == set()
