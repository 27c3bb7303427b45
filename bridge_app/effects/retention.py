"""Old rows are deleted, of all workers by the one that holds a lock (database-adapter §3, intelligence §7)."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import structlog
from mode import Service

from bridge_app.clock import Clock
from bridge_app.effects.postgres import DRIVER_ERRORS, Postgres, failure_of
from bridge_app.errors import DatabaseFailure
from bridge_app.settings import Settings
from bridge_app.timestamps import to_datetime

log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

#: The key of the advisory lock, which its holder keeps until its connection ends.
LOCK = 0x6F6D_6E69_6272_7274
#: Rows of one statement: short transactions, so that nobody waits for this.
ROWS_AT_ONCE = 5000
EVERY_SECONDS = 24 * 3600.0
#: How often a worker without the lock asks for it, and how soon a failure is tried again.
ASK_EVERY_SECONDS = 60.0


class Rule(NamedTuple):
    """Rows of a table are deleted when `column` is so many days back; `has_zone` is false for UTC without zone."""

    table: str
    column: str
    days: int
    has_zone: bool = True

    def statement(self) -> str:
        """Return the statement for a time and a number of rows."""
        oldest = f"SELECT ctid FROM {self.table} WHERE {self.column} < $1 LIMIT $2"  # noqa: S608 (constants)
        return f"DELETE FROM {self.table} WHERE ctid = ANY (ARRAY({oldest}))"  # noqa: S608 (constants)

    def cutoff(self, now_us: int) -> datetime:
        """Return the time before which rows are too old, as the column has times."""
        moment = to_datetime(now_us) - timedelta(days=self.days)
        return moment if self.has_zone else moment.replace(tzinfo=None)


class Retention(Service):
    """Deletes what is too old, when the worker gets the lock and once a day from then on.

    Another worker takes over within a minute after the holder is gone. While Postgres is away nothing happens.
    """

    def __init__(self, settings: Settings, postgres: Postgres, clock: Clock, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rules = (
            Rule("event_logs", "stored_at", settings.event_log_retention_days),
            Rule("intelligence_patterns", "last_seen", settings.intelligence_retention_days, has_zone=False),
        )
        self._postgres = postgres
        self._clock = clock
        self._connection: Connection | None = None
        self._next_at: float | None = None

    async def sweep(self) -> dict[str, int] | None:
        """Delete what is too old if that is due and this worker holds the lock, or gets it.

        Returns:
            How many rows were deleted, by table; None when it was not this worker's turn.

        Raises:
            DatabaseFailure: Postgres is away; what was deleted so far is gone.
        """
        try:
            connection = await self._hold_lock()
            if connection is None or (self._next_at is not None and self._clock.monotonic() < self._next_at):
                return None
            deleted = {rule.table: await self._delete(connection, rule) for rule in self.rules}
        except DRIVER_ERRORS as error:
            self._release()
            raise failure_of(error) from error
        self._next_at = self._clock.monotonic() + EVERY_SECONDS
        log.info("old_rows_deleted", **deleted)
        return deleted

    async def on_stop(self) -> None:
        self._release()

    @Service.task
    async def _run(self) -> None:
        await self.wait(self._postgres.ready.wait())
        while not self.should_stop:
            try:
                await self.sweep()
            except DatabaseFailure as error:
                log.warning("retention_failed", error=str(error), retry_seconds=ASK_EVERY_SECONDS)
            await self.sleep(ASK_EVERY_SECONDS)

    async def _hold_lock(self) -> "Connection | None":
        """Return the connection that has the lock; None when another worker's has it."""
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        self._connection = None
        connection = await self._postgres.connect("omninode-bridge-retention")
        try:
            is_mine = await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
        except BaseException:
            connection.terminate()
            raise
        if not is_mine:
            connection.terminate()
            return None
        self._connection = connection
        return connection

    async def _delete(self, connection: Connection, rule: Rule) -> int:
        statement, cutoff = rule.statement(), rule.cutoff(self._clock.now_us())
        total = 0
        while True:
            status = await connection.execute(statement, cutoff, ROWS_AT_ONCE)
            count = int(status.rpartition(" ")[2])
            total += count
            if count < ROWS_AT_ONCE or self.should_stop:
                return total

    def _release(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
