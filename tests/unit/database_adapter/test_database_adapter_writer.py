"""What the writer does about each kind of error (database-adapter §5), with a database that is told how to fail."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bridge_app.clock import SystemClock
from bridge_app.domain.database_adapter.fold import Rows
from bridge_app.domain.database_adapter.records import Entry, read_event
from bridge_app.domain.database_adapter.tally import Tally
from bridge_app.effects.batch_writer import BatchWriter
from bridge_app.errors import DatabaseFailure, MigrationError


class Database:
    """Fails with the given SQLSTATEs, one per transaction, and with 23514 while a refused offset is in it."""

    def __init__(self, failures: Sequence[str | None] = (), refused: Sequence[int] = ()) -> None:
        self.failures = list(failures)
        self.refused = set(refused)
        self.stored: list[int] = []
        self.sizes: list[int] = []
        self.repairs: list[str | None] = []
        self.repaired = 0
        self.slept: list[float] = []

    async def store(self, rows: Rows) -> dict[str, int]:
        self.sizes.append(len(rows.event_logs))
        if self.failures:
            raise DatabaseFailure(self.failures.pop(0), "as told")
        offsets = [row.offset for row in rows.event_logs]
        if self.refused.intersection(offsets):
            raise DatabaseFailure("23514", "refused", {"constraint": "c"})
        self.stored += offsets
        return {"event_logs": len(offsets)}

    async def repair(self) -> None:
        self.repaired += 1
        if self.repairs:
            raise DatabaseFailure(self.repairs.pop(0), "as told")

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def entries(make_record: Callable[..., Any]) -> list[Entry]:
    return [read_event(make_record(event_id=f"00000000-0000-4000-8000-{i:012}", offset=i)) for i in range(8)]


def writer_on(database: Database, tally: Tally | None = None) -> BatchWriter:
    return BatchWriter(
        database.store, database.repair, tally or Tally(), SystemClock(),
        attempts=3, backoff_base=1.0, sleep=database.sleep,
    )  # fmt: skip


async def test_transient_errors_are_waited_out(entries: list[Entry]) -> None:
    database, tally = Database([None, "57P01", "25006", "40P01", "53300", "08006", None, None]), Tally()
    writer = writer_on(database, tally)
    assert await writer.write(entries) == []
    assert sorted(database.stored) == list(range(8))
    assert database.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert (tally.transient_errors, tally.permanent_errors, writer.is_waiting) == (8, 0, False)
    assert tally.last_error == "Postgres is away: as told"


async def test_while_it_waits_it_says_why_and_no_longer(entries: list[Entry]) -> None:
    reasons: list[str | None] = []

    class Watched(Database):
        async def sleep(self, seconds: float) -> None:
            reasons.append(writer.waits_for)

    writer = writer_on(Watched(["25006", "53100", "XX000", "23514"]))
    assert await writer.write(entries[:1])
    assert reasons == ["Postgres refused: 25006 as told", "Postgres refused: 53100 as told", None]
    assert writer.waits_for is None


async def test_a_batch_that_is_given_up_waits_for_nothing(entries: list[Entry]) -> None:
    class Struck(Database):
        async def sleep(self, seconds: float) -> None:
            raise asyncio.CancelledError

    writer = writer_on(Struck(["25006"]))
    with pytest.raises(asyncio.CancelledError):
        await writer.write(entries)
    assert not writer.is_waiting


async def test_cancelled_statement_halves_the_batch(entries: list[Entry]) -> None:
    database = Database(["57014"])
    assert await writer_on(database).write(entries) == []
    assert database.sizes == [8, 4, 4]


async def test_refused_rows_are_rejected_alone(entries: list[Entry]) -> None:
    database, tally = Database(refused=[2, 5]), Tally()
    rejected = await writer_on(database, tally).write(entries)
    assert [(entry.record.offset, failure.sqlstate, tries) for entry, failure, tries in rejected] == [
        (2, "23514", 1), (5, "23514", 1),
    ]  # fmt: skip
    assert sorted(database.stored) == [0, 1, 3, 4, 6, 7]
    assert (tally.total_events, tally.rows_by_table) == (6, {"event_logs": 6})


async def test_transient_error_within_a_bisection_retries_that_part(entries: list[Entry]) -> None:
    database = Database(["23514", None])
    assert await writer_on(database).write(entries) == []
    assert database.sizes == [8, 4, 4, 4]


async def test_unknown_errors_are_tried_three_times_then_as_rows(entries: list[Entry]) -> None:
    database = Database(["XX000"] * 6)
    rejected = await writer_on(database).write(entries[:2])
    assert [(entry.record.offset, tries) for entry, _, tries in rejected] == [(0, 3)]
    assert database.slept == [1.0, 2.0, 1.0, 2.0]
    assert database.stored == [1]


async def test_schema_error_migrates_and_goes_on(entries: list[Entry]) -> None:
    database = Database(["42P01"])
    assert await writer_on(database).write(entries) == []
    assert (database.repaired, len(database.stored)) == (1, 8)


async def test_schema_error_that_stays_rejects_nothing(entries: list[Entry]) -> None:
    database = Database(["42703", "42703"])
    with pytest.raises(MigrationError, match="42703"):
        await writer_on(database).write(entries)
    assert database.sizes == [8, 8]


async def test_postgres_away_while_migrating_is_waited_out(entries: list[Entry]) -> None:
    database = Database(["42P01", "42P01"])
    database.repairs = [None]
    assert await writer_on(database).write(entries) == []
    assert (database.repaired, database.slept) == (2, [0.1, 0])


async def test_copies_inside_a_batch_are_duplicates(make_record: Callable[..., Any]) -> None:
    database, tally = Database(), Tally()
    await writer_on(database, tally).write([read_event(make_record(offset=offset)) for offset in range(3)])
    assert (tally.total_events, tally.duplicates_skipped, database.stored) == (3, 2, [0])
