"""Old rows are deleted, by one worker at a time (database-adapter §3, intelligence §7)."""

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

#: The key of the advisory lock, which a worker has for one sweep.
LOCK = 0x6F6D_6E69_6272_7274
#: Rows of one statement: short transactions, so that nobody waits for this.
ROWS_AT_ONCE = 5000
EVERY_SECONDS = 24 * 3600.0
#: How soon a sweep is tried again that failed, or for which another worker had the lock.
RETRY_SECONDS = 60.0


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
    """Deletes what is too old: when the worker starts, with the settings it has then, and once a day from then on.

    While another worker does, or Postgres is away, it waits a minute.
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

    async def sweep(self) -> dict[str, int] | None:
        """Delete what is too old, unless another worker is doing that.

        Returns:
            How many rows were deleted, by table; None when another worker has the lock.

        Raises:
            DatabaseFailure: Postgres is away; what was deleted so far is gone.
        """
        connection = self._connection = await self._postgres.connect("omninode-bridge-retention")
        try:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                return None
            deleted = {rule.table: await self._delete(connection, rule) for rule in self.rules}
        except DRIVER_ERRORS as error:
            raise failure_of(error) from error
        finally:
            connection.terminate()  # and with it the lock
        log.info("old_rows_deleted", **deleted)
        return deleted

    async def on_stop(self) -> None:
        """End a sweep that may be going on."""
        if self._connection is not None:
            self._connection.terminate()

    @Service.task
    async def _run(self) -> None:
        await self.wait(self._postgres.ready.wait())
        while not self.should_stop:
            deleted = None
            try:
                deleted = await self.sweep()
            except DatabaseFailure as error:
                log.warning("retention_failed", error=str(error), retry_seconds=RETRY_SECONDS)
            await self.sleep(RETRY_SECONDS if deleted is None else EVERY_SECONDS)

    async def _delete(self, connection: Connection, rule: Rule) -> int:
        statement, cutoff = rule.statement(), rule.cutoff(self._clock.now_us())
        total = 0
        while True:
            status = await connection.execute(statement, cutoff, ROWS_AT_ONCE)
            count = int(status.rpartition(" ")[2])
            total += count
            if count < ROWS_AT_ONCE or self.should_stop:
                return total
