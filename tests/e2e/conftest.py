"""One bridge for all end-to-end tests: a worker as `faust -A bridge_app worker` runs it, on the real services."""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from tests.e2e.bridge import Bridge, eventually

PORT = 27066


@pytest.fixture(scope="session")
async def bridge(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """Return a bridge that is ready."""
    unique = uuid4().hex[:12]
    admin = await asyncpg.connect(_dsn(stack, stack.get("POSTGRES_DB", "postgres")))
    await admin.execute(f'CREATE DATABASE "e2e_{unique}"')
    environ = {**stack, "POSTGRES_DB": f"e2e_{unique}", "KAFKA_TOPIC_PREFIX": f"e2e-{unique}.", "ENVIRONMENT": "e2e"}
    async with (
        aiohttp.ClientSession() as session,
        asyncpg.create_pool(_dsn(stack, f"e2e_{unique}"), min_size=0) as pool,
    ):
        found = Bridge(tmp_path_factory.mktemp("e2e"), environ, PORT, session, pool)
        found.worker.start()
        try:
            await eventually(found.is_ready, within=30)
            yield found
        finally:
            code = await found.worker.terminate()
    await admin.execute(f'DROP DATABASE "e2e_{unique}" WITH (FORCE)')
    await admin.close()
    assert code == 0, found.worker.log


def _dsn(stack: Mapping[str, str], database: str) -> str:
    password = quote(stack.get("POSTGRES_PASSWORD", ""))
    where = f"{stack['POSTGRES_HOST']}:{stack['POSTGRES_PORT']}"
    return f"postgresql://{stack['POSTGRES_USER']}:{password}@{where}/{database}"
