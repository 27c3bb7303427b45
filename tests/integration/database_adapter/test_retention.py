"""Old rows go, by one worker's hand (database-adapter, acceptance 20)."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
import pytest

from bridge_app.clock import SystemClock
from bridge_app.effects.postgres import Postgres
from bridge_app.effects.retention import LOCK, Retention
from bridge_app.settings import Settings
from tests.integration.database_adapter.conftest import altered
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


async def test_each_worker_deletes_by_its_own_settings_as_soon_as_nobody_else_does(
    settings: Settings, postgres: Postgres, sql: Connection
) -> None:
    await sql.execute(
        "INSERT INTO event_logs (event_type, payload, stored_at) VALUES ('e', '{}', now() - '36 h'::interval)"
    )
    patient = Retention(altered(settings, event_log_retention_days=2), postgres, SystemClock())
    strict = Retention(settings, postgres, SystemClock())
    assert await patient.sweep() == {"event_logs": 0, "intelligence_patterns": 0}
    await eventually(lambda: unlocked(sql), "the lock is free")
    assert await strict.sweep() == {"event_logs": 1, "intelligence_patterns": 0}

    await eventually(lambda: unlocked(sql), "the lock is free again")
    await sql.execute("SELECT pg_advisory_lock($1)", LOCK)
    assert await strict.sweep() is None


async def unlocked(sql: Connection) -> bool:
    free: bool = await sql.fetchval("SELECT pg_try_advisory_lock($1) AND pg_advisory_unlock($1)", LOCK)
    return free
