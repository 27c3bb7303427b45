"""What is cancelled while Postgres hangs ends at once, and as cancelled: no stop waits for it (resilience §8)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, TypeAlias

import asyncpg
import pytest

from bridge_app.domain.database_adapter.fold import fold
from bridge_app.domain.database_adapter.records import read_event
from bridge_app.effects.event_store import EventStore
from bridge_app.effects.postgres import Postgres
from bridge_app.effects.transaction import transaction
from bridge_app.settings import Settings
from tests.integration.database_adapter.workflow import EVENTS
from tests.lab.services import POSTGRES_PROXY
from tests.lab.tcp_proxy import SILENT, TcpProxy
from tests.lab.waiting import crowding, eventually
from tests.unit.records import record_of

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

#: Well below the driver's own time limits.
AT_ONCE = 1.0
ROWS = fold(read_event(record_of(event)) for event in EVENTS)


@pytest.fixture
async def proxy(stack: Mapping[str, str]) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(port=POSTGRES_PROXY, target=int(stack["POSTGRES_PORT"])).running() as running:
        yield running


@pytest.fixture
async def postgres(
    make_settings: Callable[..., Settings], database: Mapping[str, str], proxy: TcpProxy
) -> AsyncIterator[Postgres]:
    """A pool behind the proxy, which has migrated."""
    pool = Postgres(make_settings(**{**database, "POSTGRES_PORT": str(POSTGRES_PROXY)}))
    await pool.start()
    await eventually(pool.ready.is_set, "the migrations")
    yield pool
    await pool.stop()


async def cancelled_while_it_hangs(work: Coroutine[Any, Any, Any], sql: Connection, proxy: TcpProxy) -> bool:
    """Cancel a write to `event_logs` when Postgres has it and the network is silent; tell whether it ended so."""
    async with sql.transaction():
        await sql.execute("LOCK TABLE event_logs IN ACCESS EXCLUSIVE MODE")
        task = asyncio.create_task(work)

        async def blocked() -> bool:
            return await sql.fetchval("SELECT 1 FROM pg_locks WHERE NOT granted") is not None

        await eventually(blocked, "the write waits for the lock")
        proxy.become(SILENT)
        task.cancel()
        await asyncio.wait({task}, timeout=AT_ONCE * crowding())
        return task.done() and task.cancelled()


async def test_a_batch_of_several_tables_is_cancelled_at_once(
    postgres: Postgres, sql: Connection, proxy: TcpProxy
) -> None:
    store = EventStore(postgres)
    assert len([rows for rows in ROWS.routed.values() if rows]) > 1
    assert await cancelled_while_it_hangs(store.store(ROWS), sql, proxy)

    await proxy.heal()
    assert (await store.store(ROWS))["event_logs"] == len(EVENTS)
    store.close()


async def test_a_transaction_of_the_pool_is_cancelled_at_once(
    postgres: Postgres, sql: Connection, proxy: TcpProxy
) -> None:
    async def delete() -> None:
        async with postgres.acquire() as connection, transaction(connection):
            await connection.execute("DELETE FROM event_logs")

    assert await cancelled_while_it_hangs(delete(), sql, proxy)

    await proxy.heal()
    await delete()


async def test_a_transaction_that_fails_is_rolled_back_and_its_connection_goes_on(
    postgres: Postgres, sql: Connection
) -> None:
    async with postgres.acquire() as connection:

        async def fail() -> None:
            async with transaction(connection):
                await connection.execute("CREATE TABLE half (a INTEGER)")
                await connection.execute("SELECT 1 / 0")

        with pytest.raises(asyncpg.DivisionByZeroError):
            await fail()
        assert await connection.fetchval("SELECT 1") == 1
    assert await sql.fetchval("SELECT to_regclass('half')") is None
