"""Numbered SQL files, applied once each, in order, under an advisory lock.

Every statement of a migration can be run again: a schema that somebody damaged while the bridge runs is repaired by
applying all of them once more.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import structlog

from bridge_app.domain.database_adapter.failures import Kind, kind_of
from bridge_app.effects.transaction import transaction
from bridge_app.errors import MigrationError

log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

FOLDER = Path(__file__).parents[2] / "deploy" / "migrations"
#: The key of the advisory lock: one worker of a database migrates, the others wait for it.
LOCK = 0x6F6D_6E69_6272_6467

_CREATE_BOOK = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())
"""
_ENTER = """
    INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
"""


class Migration(NamedTuple):
    """One SQL file; `checksum` is the SHA-256 of its bytes."""

    name: str
    sql: str
    checksum: str


def load(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """Read the migrations of a folder, `0001_<what>.sql` first.

    Raises:
        MigrationError: there are none, or the numbers do not count up from 1.
    """
    found = []
    for number, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        if not path.name.startswith(f"{number:04}_"):
            raise MigrationError(f"migration {path.stem}: expected number {number:04}")
        content = path.read_bytes()
        found.append(Migration(path.stem, content.decode(), hashlib.sha256(content).hexdigest()))
    if not found:
        raise MigrationError(f"no migrations in {folder}")
    return tuple(found)


async def migrate(
    connection: Connection, migrations: Sequence[Migration], *, allowed: bool = True, again: bool = False
) -> list[str]:
    """Apply what is missing, each migration in its own transaction; with `again` apply all of them once more.

    Waits for other workers that migrate the same database. They wait until the connection is closed.

    Returns:
        The names of those that were applied.

    Raises:
        MigrationError: one was changed after it was applied, fails, or is missing and not `allowed` to run.
        asyncpg.PostgresError, OSError: Postgres went away meanwhile; try again.
    """
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    if allowed:
        await connection.execute(_CREATE_BOOK)
    applied = await _applied(connection)
    done = []
    for migration in migrations:
        known = applied.get(migration.name)
        if known not in (None, migration.checksum):
            raise MigrationError(f"migration {migration.name} was changed after it was applied: restore the file")
        if known is None or again:
            if not allowed:
                raise MigrationError(f"migration {migration.name} is missing, and POSTGRES_MIGRATE_ON_START=false")
            await _apply(connection, migration)
            done.append(migration.name)
    return done


async def _applied(connection: Connection) -> dict[str, Any]:
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return {}
    return {
        row["name"]: row["checksum"] for row in await connection.fetch("SELECT name, checksum FROM schema_migrations")
    }


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with transaction(connection):
            await connection.execute(migration.sql)
            await connection.execute(_ENTER, migration.name, migration.checksum)
    except asyncpg.PostgresError as error:
        if kind_of(error.sqlstate) is Kind.TRANSIENT:
            raise
        raise MigrationError(f"migration {migration.name} failed: {error}") from error
    log.info("migration_applied", migration=migration.name)
