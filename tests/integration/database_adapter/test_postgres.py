"""The pool and the migrations on the real PostgreSQL (hooks §8, resilience §7)."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from bridge_app.effects.migrations import FOLDER, load
from bridge_app.effects.postgres import Postgres
from bridge_app.errors import DependencyRefusal, MigrationError, ServiceUnavailable
from bridge_app.settings import Settings
from tests.lab.waiting import eventually

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

#: The tables as the harness of hooks.md's first acceptance makes them.
SEED_TABLES = {
    "intelligence_patterns": """
        CREATE TABLE intelligence_patterns (
            id SERIAL PRIMARY KEY, pattern_id UUID UNIQUE NOT NULL, pattern_type VARCHAR(100) NOT NULL,
            confidence_score FLOAT NOT NULL, discovery_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
            pattern_data JSONB NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)
    """,
    "service_registrations": """
        CREATE TABLE service_registrations (
            id SERIAL PRIMARY KEY, service_name VARCHAR(100) NOT NULL, instance_id VARCHAR(200) UNIQUE NOT NULL,
            version VARCHAR(50) NOT NULL, host VARCHAR(255) NOT NULL, port INTEGER NOT NULL,
            capabilities JSONB DEFAULT '[]', metadata JSONB DEFAULT '{}', health_status VARCHAR(20) DEFAULT 'unknown',
            last_heartbeat TIMESTAMP DEFAULT CURRENT_TIMESTAMP, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)
    """,
    "tool_registrations": """
        CREATE TABLE tool_registrations (
            id SERIAL PRIMARY KEY, tool_id UUID UNIQUE NOT NULL, tool_name VARCHAR(100) NOT NULL,
            version VARCHAR(50) NOT NULL, service_source VARCHAR(100) NOT NULL, category VARCHAR(100) NOT NULL,
            input_schema JSONB NOT NULL, output_schema JSONB NOT NULL, execution_requirements JSONB DEFAULT '{}',
            created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)
    """,
}
COLUMNS = """
    SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, column_name
"""


@asynccontextmanager
async def running(settings: Settings, **options: Path) -> AsyncIterator[Postgres]:
    postgres = Postgres(settings, **options)
    await postgres.start()
    try:
        yield postgres
    finally:
        await postgres.stop()


@pytest.fixture
def settings(make_settings: Callable[..., Settings], database: Mapping[str, str]) -> Settings:
    return make_settings(**database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations that a test may change."""
    for path in FOLDER.glob("*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


async def ready(postgres: Postgres) -> None:
    await eventually(postgres.ready.is_set, "the migrations")


async def test_reads_and_writes_json_as_objects(settings: Settings) -> None:
    async with running(settings) as postgres:
        await ready(postgres)
        async with postgres.acquire() as connection:
            assert await connection.fetchval("SELECT $1::jsonb", {"a": [1, None]}) == {"a": [1, None]}
            assert await connection.fetchval("SHOW timezone") == "UTC"
        await postgres.probe()


async def test_starts_without_postgres_and_says_why(make_settings: Callable[..., Settings]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = make_settings(
            POSTGRES_HOST="127.0.0.1", POSTGRES_PORT=taken.getsockname()[1], POSTGRES_PASSWORD="very-secret"
        )
        async with running(settings) as postgres:
            with pytest.raises(ServiceUnavailable, match="Postgres is away"):
                await postgres.probe()
            await eventually(lambda: "Postgres is away" in postgres.reason, "a first try")
            with pytest.raises(ServiceUnavailable) as caught:
                async with postgres.acquire():
                    pass
    assert "very-secret" not in caught.value.message


async def test_wrong_database_is_named(make_settings: Callable[..., Settings], database: Mapping[str, str]) -> None:
    async with running(make_settings(**{**database, "POSTGRES_DB": "no_such_database"})) as postgres:
        await eventually(lambda: "no_such_database" in postgres.reason, "the reason")


async def test_lost_connection_is_unavailable_and_the_pool_recovers(settings: Settings, sql: Connection) -> None:
    async with running(settings) as postgres:
        await ready(postgres)

        async def use_a_lost_connection() -> None:
            async with postgres.acquire() as connection:
                await sql.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
                await connection.fetchval("SELECT 1")

        with pytest.raises(ServiceUnavailable):
            await use_a_lost_connection()
        await postgres.probe()


async def test_the_pool_writes_again_when_the_database_is_no_longer_read_only(
    make_settings: Callable[..., Settings], database: Mapping[str, str], sql: Connection
) -> None:
    settings = make_settings(**database, POSTGRES_POOL_MAX=1)
    default = f'ALTER ROLE CURRENT_USER IN DATABASE "{settings.postgres_db}" {{}} default_transaction_read_only'
    async with running(settings) as postgres:
        await ready(postgres)

        async def write() -> None:
            async with postgres.acquire() as connection:
                await connection.execute("UPDATE dead_letters SET reason = 'x'")

        await sql.execute(default.format("SET") + " = on")
        with pytest.raises(ServiceUnavailable, match="25006"):
            await write()
        await sql.execute(default.format("RESET"))
        await write()


async def test_error_of_the_statement_is_no_outage(settings: Settings) -> None:
    async with running(settings) as postgres:
        await ready(postgres)
        with pytest.raises(asyncpg.UndefinedTableError):
            async with postgres.acquire() as connection:
                await connection.fetch("SELECT * FROM no_such_table")


async def test_no_free_connection_in_time(make_settings: Callable[..., Settings], database: Mapping[str, str]) -> None:
    async with running(make_settings(**database, POSTGRES_POOL_MAX=1)) as postgres:
        await ready(postgres)
        async with postgres.acquire():
            with pytest.raises(ServiceUnavailable):
                async with postgres.acquire(timeout=0.05):
                    pass


async def test_hooks_17_seed_tables_are_adopted(settings: Settings, sql: Connection) -> None:
    for statement in SEED_TABLES.values():
        await sql.execute(statement)
    pattern, tool = uuid4(), uuid4()
    await sql.execute(
        "INSERT INTO intelligence_patterns (pattern_id, pattern_type, confidence_score, pattern_data) "
        "VALUES ($1, 't', 0.5, '{}')",
        pattern,
    )
    await sql.execute(
        "INSERT INTO tool_registrations (tool_id, tool_name, version, service_source, category, input_schema, "
        "output_schema) VALUES ($1, 'n', '1', 's', 'c', '{}', '{}')",
        tool,
    )
    async with running(settings) as postgres:
        await ready(postgres)
    row = await sql.fetchrow("SELECT * FROM intelligence_patterns")
    assert row is not None
    assert (row["pattern_id"], row["status"], row["revision"]) == (pattern, "active", 1)
    row = await sql.fetchrow("SELECT * FROM tool_registrations")
    assert row is not None
    assert (row["tool_id"], row["deprecated"], row["revision"], row["tags"]) == (str(tool), False, 0, "[]")


@pytest.mark.parametrize("table", SEED_TABLES)
async def test_adopted_and_created_tables_are_the_same(settings: Settings, sql: Connection, table: str) -> None:
    async with running(settings) as postgres:
        await ready(postgres)
        created = await sql.fetch(COLUMNS)
        indexes = await sql.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
        await sql.execute(f"DROP TABLE {table}")
        await sql.execute(SEED_TABLES[table])
        await postgres.migrate(again=True)
        assert await sql.fetch(COLUMNS) == created
        assert await sql.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1") == indexes


async def test_applying_all_migrations_again_changes_nothing(settings: Settings, sql: Connection) -> None:
    async with running(settings) as postgres:
        await ready(postgres)
        created = await sql.fetch(COLUMNS)
        await postgres.migrate(again=True)
        assert await sql.fetch(COLUMNS) == created


async def test_each_migration_is_applied_once_by_many_workers(settings: Settings, sql: Connection) -> None:
    workers = [Postgres(settings) for _ in range(4)]
    await asyncio.gather(*(worker.migrate() for worker in workers))
    rows = await sql.fetch("SELECT name, checksum FROM schema_migrations ORDER BY name")
    assert [tuple(row) for row in rows] == [(migration.name, migration.checksum) for migration in load()]


async def test_changed_migration_is_named(settings: Settings, folder: Path) -> None:
    async with running(settings, migrations=folder) as postgres:
        await ready(postgres)
    changed = folder / "0002_intelligence_patterns.sql"
    changed.write_text(changed.read_text() + "-- changed\n")
    async with running(settings, migrations=folder) as postgres:
        await eventually(lambda: "0002_intelligence_patterns was changed" in postgres.reason, "the reason")
        with pytest.raises(DependencyRefusal, match="0002_intelligence_patterns was changed"):
            await postgres.probe()  # Postgres itself is well: nothing for its breaker
        with pytest.raises(ServiceUnavailable, match="0002_intelligence_patterns was changed"):
            async with postgres.acquire():
                pass


async def test_failing_migration_is_named_and_leaves_nothing(settings: Settings, folder: Path, sql: Connection) -> None:
    wrong = f"{len(load()) + 1:04}_wrong"
    (folder / f"{wrong}.sql").write_text("CREATE TABLE half (a INTEGER); SELECT no_such_column FROM half;")
    async with running(settings, migrations=folder) as postgres:
        await eventually(lambda: f"{wrong} failed" in postgres.reason, "the reason")
        assert await sql.fetchval("SELECT to_regclass('half')") is None
        (folder / f"{wrong}.sql").write_text("CREATE TABLE whole (a INTEGER)")
        await ready(postgres)
    assert await sql.fetchval("SELECT to_regclass('whole')") is not None


async def test_migrations_that_may_not_run(make_settings: Callable[..., Settings], database: Mapping[str, str]) -> None:
    async with running(make_settings(**database, POSTGRES_MIGRATE_ON_START="false")) as postgres:
        await eventually(lambda: "0001_event_logs is missing" in postgres.reason, "the reason")
    async with running(make_settings(**database)) as postgres:
        await ready(postgres)
    async with running(make_settings(**database, POSTGRES_MIGRATE_ON_START="false")) as postgres:
        await ready(postgres)


def test_migrations_are_numbered_without_gaps(folder: Path) -> None:
    assert [migration.name for migration in load()] == sorted(migration.name for migration in load())
    (folder / "0001_event_logs.sql").unlink()
    with pytest.raises(MigrationError, match="0002_intelligence_patterns: expected number 0001"):
        load(folder)
