"""Gets a batch into the database, whatever Postgres says to it (database-adapter §5)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeAlias

import structlog

from bridge_app.backoff import SEND, Backoff
from bridge_app.clock import Clock
from bridge_app.domain.database_adapter.failures import CANCELLED, Kind, kind_of
from bridge_app.domain.database_adapter.fold import Rows, fold
from bridge_app.domain.database_adapter.plan import WritePlan
from bridge_app.domain.database_adapter.records import Entry
from bridge_app.domain.database_adapter.tally import Tally
from bridge_app.errors import DatabaseFailure, MigrationError

log = structlog.get_logger(__name__)

Store: TypeAlias = Callable[[Rows], Awaitable[dict[str, int]]]
Repair: TypeAlias = Callable[[], Awaitable[None]]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]

LONGEST_UNKNOWN_RETRY_SECONDS = 30.0
LOG_EVERY_SECONDS = 60.0


class Rejected(NamedTuple):
    """A record whose rows Postgres refuses, after so many tries of it alone."""

    entry: Entry
    failure: DatabaseFailure
    tries: int


class BatchWriter:
    """Writes batches one after the other.

    `store` writes rows in one transaction, `repair` brings the schema in order. Of errors nobody knows, `attempts`
    tries are made, the pause between them starts at `backoff_base` seconds.
    """

    def __init__(
        self,
        store: Store,
        repair: Repair,
        tally: Tally,
        clock: Clock,
        *,
        attempts: int,
        backoff_base: float,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        #: Why it waits for Postgres, in its words; None when it does not.
        self.waits_for: str | None = None
        self._store = store
        self._repair = repair
        self._tally = tally
        self._clock = clock
        self._attempts = attempts
        self._backoff_base = backoff_base
        self._sleep = sleep
        self._log_again_at = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether Postgres is away, or takes no rows now."""
        return self.waits_for is not None

    async def write(self, entries: Sequence[Entry]) -> list[Rejected]:
        """Store the rows of all entries but the rejected ones; returns when they are on disk.

        Waits without limit while Postgres is away. Cancelled at any moment, it may be repeated.

        Raises:
            MigrationError: the tables do not fit, and migrating once more did not help.
        """
        plan = WritePlan(entries)
        rejected: list[Rejected] = []
        try:
            while part := plan.part:
                try:
                    rows = fold(part)
                    inserted = await self._store_patiently(rows, divisible=len(part) > 1)
                except DatabaseFailure as failure:
                    if (alone := plan.halve()) is not None:
                        tries = self._attempts if kind_of(failure.sqlstate) is Kind.UNKNOWN else 1
                        rejected.append(Rejected(alone, failure, tries))
                else:
                    plan.done()
                    self._tally.stored(sum(entry.event is not None for entry in part), inserted, rows)
        finally:
            self.waits_for = None  # it may have been cancelled
        self._tally.bisected(plan.bisections)
        return rejected

    async def _store_patiently(self, rows: Rows, *, divisible: bool) -> dict[str, int]:
        """Try until the rows are stored.

        Raises:
            DatabaseFailure: half of the rows should be tried, or, of a single record, they will never be taken.
            MigrationError: as `write`.
        """
        waits = Backoff(*SEND)
        unknown_waits = Backoff(self._backoff_base, LONGEST_UNKNOWN_RETRY_SECONDS)
        unknown_tries = 0
        repaired = False
        while True:
            try:
                inserted = await self._store(rows)
            except DatabaseFailure as failure:
                kind = kind_of(failure.sqlstate)
                self._note(failure, kind)
                if kind is Kind.TRANSIENT:
                    await self._sleep(waits.next())
                    if divisible and failure.sqlstate == CANCELLED:
                        raise
                elif kind is Kind.SCHEMA:
                    repaired = await self._repair_once(failure, repaired)
                    await self._sleep(0 if repaired else waits.next())
                elif kind is Kind.UNKNOWN and (unknown_tries := unknown_tries + 1) < self._attempts:
                    await self._sleep(unknown_waits.next())
                else:
                    raise
                self._tally.retried()
            else:
                self._back()
                return inserted

    async def _repair_once(self, failure: DatabaseFailure, repaired: bool) -> bool:
        """Migrate again; return False when Postgres went away meanwhile."""
        if repaired:
            raise MigrationError(f"the tables do not fit, and migrating again did not help: {failure}") from failure
        try:
            await self._repair()
        except DatabaseFailure as away:
            self._note(away, Kind.TRANSIENT)
            return False
        return True

    def _note(self, failure: DatabaseFailure, kind: Kind) -> None:
        self._tally.failed(str(failure), transient=kind is Kind.TRANSIENT)
        if kind is not Kind.TRANSIENT:
            self._back()  # it answers
            log.warning("adapter_write_refused", error=str(failure), kind=kind.value, **failure.context)
            return
        now = self._clock.monotonic()
        if not self.is_waiting or now >= self._log_again_at:
            log.warning("adapter_waits_for_postgres", error=str(failure))
            self._log_again_at = now + LOG_EVERY_SECONDS
        self.waits_for = str(failure)

    def _back(self) -> None:
        if self.is_waiting:
            log.info("adapter_writes_again")
        self.waits_for = None
