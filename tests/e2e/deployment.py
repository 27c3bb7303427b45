"""A deployment of its own: a topic prefix, a database and a worker, which all go when it is over."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import asyncpg

from tests.e2e.bridge import Bridge
from tests.lab.cluster import Cluster

#: Few partitions: one broker carries the topics of every deployment of a test run.
PARTITIONS = "2"


@asynccontextmanager
async def deployment(stack: Mapping[str, str], folder: Path, port: int, **environ: str) -> AsyncIterator[Bridge]:
    """Return a bridge whose worker is not started; `environ` are further variables of its workers."""
    unique = uuid4().hex[:12]
    name = f"e2e_{unique}"
    variables = {
        **stack,
        "POSTGRES_DB": name,
        "KAFKA_TOPIC_PREFIX": f"e2e-{unique}.",
        "KAFKA_TOPIC_PARTITIONS": PARTITIONS,
        "ENVIRONMENT": "e2e",
        **environ,
    }
    await _administer(stack, f'CREATE DATABASE "{name}"')
    cluster = Cluster(stack["KAFKA_BOOTSTRAP_SERVERS"])
    await cluster.start()
    try:
        async with aiohttp.ClientSession() as session, asyncpg.create_pool(dsn(stack, name), min_size=0) as pool:
            found = Bridge(folder, variables, port, session, pool)
            try:
                yield found
            finally:
                found.worker.destroy()
    finally:
        await cluster.clear(variables["KAFKA_TOPIC_PREFIX"])
        await cluster.stop()
        await _administer(stack, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _administer(stack: Mapping[str, str], statement: str) -> None:
    connection = await asyncpg.connect(dsn(stack, stack.get("POSTGRES_DB", "postgres")))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def dsn(stack: Mapping[str, str], database: str) -> str:
    """Return the address of a database."""
    password = quote(stack.get("POSTGRES_PASSWORD", ""))
    where = f"{stack['POSTGRES_HOST']}:{stack['POSTGRES_PORT']}"
    return f"postgresql://{stack['POSTGRES_USER']}:{password}@{where}/{database}"
