"""Rows of every table, all or nothing, in one transaction: event_logs first, then the others in their order."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg

from bridge_app.domain.database_adapter.failures import spoils_session
from bridge_app.domain.database_adapter.fold import Rows
from bridge_app.domain.database_adapter.routing import TABLES
from bridge_app.domain.database_adapter.rows import DEAD_LETTERS, EVENT_LOGS
from bridge_app.effects.postgres import DRIVER_ERRORS, Postgres, failure_of
from bridge_app.effects.statements import insert
from bridge_app.effects.transaction import transaction

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


#: The statement of each table.
_STATEMENTS = {table.name: insert(table) for table in (EVENT_LOGS, *TABLES, DEAD_LETTERS)}


class EventStore:
    """Writes rows over a connection of its own, outside of the pool; one call at a time.

    It is given up whenever Postgres is away or says "later": the next call opens another one.
    """

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._connection: Connection | None = None

    async def store(self, rows: Rows) -> dict[str, int]:
        """Store all rows or none; rows that are already there are skipped or, with a higher revision, replaced.

        When it returns, the rows are on disk. When it is cancelled or the connection is lost, whether they are is
        unknown: store them again.

        Returns:
            How many rows were written, by table.

        Raises:
            DatabaseFailure: none was stored, or the connection was lost.
        """
        try:
            connection = await self._ensure_connection()
            return await _store(connection, rows)
        except DRIVER_ERRORS as error:
            failure = failure_of(error)
            if spoils_session(failure.sqlstate):
                self.close()
            raise failure from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection without a word; the next call opens another one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _ensure_connection(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._postgres.connect("omninode-bridge-adapter", synchronous_commit="on")
        return self._connection


async def _store(connection: Connection, rows: Rows) -> dict[str, int]:
    work = _work(rows)
    if len(work) == 1:  # a single statement is a transaction by itself: two round trips fewer
        return {work[0][0]: await _insert(connection, *work[0])}
    async with transaction(connection):
        return {table: await _insert(connection, table, values) for table, values in work}


def _work(rows: Rows) -> list[tuple[str, Sequence[tuple[Any, ...]]]]:
    """Return the tables that get rows, in the order in which they are written, with the values of their columns."""
    work: list[tuple[str, Sequence[tuple[Any, ...]]]] = [
        (EVENT_LOGS.name, rows.event_logs),
        *((table, [row.in_order() for row in found]) for table, found in rows.routed.items()),
        (DEAD_LETTERS.name, rows.dead_letters),
    ]
    return [(table, values) for table, values in work if values]


async def _insert(connection: Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> int:
    status = await connection.execute(_STATEMENTS[table], *zip(*rows, strict=True))
    return int(status.rpartition(" ")[2])
