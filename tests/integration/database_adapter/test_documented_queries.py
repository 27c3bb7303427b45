"""Every query of docs/postgres.md runs on the tables as they are, and the page names every table."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from bridge_app.effects.postgres import Postgres
from bridge_app.settings import Settings

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PAGE = (Path(__file__).parents[3] / "docs" / "postgres.md").read_text()
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
QUERIES = [query.strip() for block in BLOCKS for query in block.split(";") if query.strip()]


@pytest.fixture
async def migrated(make_settings: Callable[..., Settings], database: Mapping[str, str], sql: Connection) -> Connection:
    """The fresh database with all its tables."""
    await Postgres(make_settings(**database)).migrate()
    return sql


async def test_every_query_runs(migrated: Connection) -> None:
    assert len(QUERIES) > 10
    for query in QUERIES:
        assert await migrated.fetch(query) is not None, query


async def test_every_table_and_view_is_named(migrated: Connection) -> None:
    rows = await migrated.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    names = {row["table_name"] for row in rows} - {"schema_migrations"}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
