"""Old rows go, by one worker's hand (database-adapter, acceptance 20)."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
import pytest

from bridge_app.clock import SystemClock
from bridge_app.effects.postgres import Postgres
from bridge_app.effects.retention import EVERY_SECONDS, LOCK, Retention
from bridge_app.settings import Settings
from tests.lab.waiting import eventually

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OLD, YOUNG = 12_000, 30
#: Notes how many rows each statement deletes.
WATCH = """
    CREATE TABLE deletions (worker TEXT, count BIGINT);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO deletions SELECT pg_backend_pid(), count(*) FROM gone; RETURN NULL; END $$;
    CREATE TRIGGER watch AFTER DELETE ON event_logs REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION note();
"""
END_HOLDER = """
    SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class LaterClock(SystemClock):
    """The machine's clocks, set forward."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_us(self) -> int:
        return super().now_us() + round(self.seconds * 1e6)

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


@pytest.fixture
async def postgres(make_settings: Callable[..., Settings], database: Mapping[str, str]) -> AsyncIterator[Postgres]:
    found = Postgres(make_settings(**database))
    await found.start()
    await eventually(found.ready.is_set, "the migrations")
    yield found
    await found.stop()


@asynccontextmanager
async def worker(settings: Settings, postgres: Postgres) -> AsyncIterator[Retention]:
    retention = Retention(settings, postgres, SystemClock())
    await retention.start()
    try:
        yield retention
    finally:
        await retention.stop()


@pytest.fixture
def settings(make_settings: Callable[..., Settings], database: Mapping[str, str]) -> Settings:
    return make_settings(**database, EVENT_LOG_RETENTION_DAYS="1", INTELLIGENCE_RETENTION_DAYS="2")


async def test_database_adapter_20_old_rows_are_deleted_by_one_worker_in_small_statements(
    settings: Settings, postgres: Postgres, sql: Connection
) -> None:
    for count, age in ((OLD, "25 hours"), (YOUNG, "23 hours")):
        await sql.execute(
            "INSERT INTO event_logs (event_type, payload, stored_at) "
            "SELECT 'e', '{}', now() - $2::text::interval FROM generate_series(1, $1)",
            count,
            age,
        )
    await sql.execute(
        "INSERT INTO intelligence_patterns (pattern_id, pattern_type, confidence_score, pattern_data, last_seen) "
        "SELECT gen_random_uuid(), 't', 1, '{}', (now() AT TIME ZONE 'UTC') - days * interval '1 day' "
        "FROM unnest(ARRAY[1.9, 2.1]) AS days"
    )
    await sql.execute(WATCH)

    async def all_gone() -> bool:
        return bool(await sql.fetchval("SELECT count(*) = $1 FROM event_logs", YOUNG))

    async with worker(settings, postgres), worker(settings, postgres):
        await eventually(all_gone, "the old rows are gone")
        await eventually(lambda: one_pattern(sql), "the old pattern is gone")
    counts = [row["count"] for row in await sql.fetch("SELECT count FROM deletions WHERE count > 0")]
    assert sum(counts) == OLD
    assert max(counts) <= 5000
    assert await sql.fetchval("SELECT count(DISTINCT worker) FROM deletions") == 1


async def one_pattern(sql: Connection) -> bool:
    return bool(await sql.fetchval("SELECT count(*) = 1 FROM intelligence_patterns"))


async def test_once_a_day_and_by_the_next_worker_when_the_holder_is_gone(
    settings: Settings, postgres: Postgres, sql: Connection
) -> None:
    clock = LaterClock()
    first, second = Retention(settings, postgres, clock), Retention(settings, postgres, clock)
    try:
        assert await first.sweep() == {"event_logs": 0, "intelligence_patterns": 0}
        assert await second.sweep() is None
        assert await first.sweep() is None
        clock.seconds = EVERY_SECONDS
        assert await first.sweep() is not None
        await sql.execute(END_HOLDER)
        await eventually(lambda: unlocked(sql), "the lock is free")
        assert await second.sweep() is not None
    finally:
        await first.on_stop()
        await second.on_stop()


async def unlocked(sql: Connection) -> bool:
    free: bool = await sql.fetchval("SELECT pg_try_advisory_lock($1) AND pg_advisory_unlock($1)", LOCK)
    return free
