"""A transaction that may be cancelled while the database hangs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


@asynccontextmanager
async def transaction(connection: Connection) -> AsyncIterator[None]:
    """Run statements in one transaction. One that fails is rolled back; one that is cancelled is left as it is.

    Whoever owns the connection must drop it then, and the transaction goes with it. asyncpg's own context manager
    rolls back even so: it waits for a database that hangs, and on a connection that was closed meanwhile it raises an
    error of its own in place of `CancelledError`, after which a task that was told to end goes on.
    """
    begun = connection.transaction()
    await begun.start()
    try:
        yield
    except Exception:
        if not connection.is_closed():
            await begun.rollback()
        raise
    await begun.commit()
