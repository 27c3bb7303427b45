"""What all tests share: settings, the real Kafka, PostgreSQL and Consul, and fresh places on them."""

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import hypothesis
import pytest

from bridge_app.logs import NoiseLimit
from bridge_app.settings import Settings
from deploy.local.consul import Consul
from deploy.local.postgres import Postgres
from tests.lab.services import OwnServer, ProxiedKafka, consul_in, kafka_in, open_folder, postgres_in

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

#: For `make coverage`, under which everything takes twice as long.
hypothesis.settings.register_profile("measured", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])

#: Where to look when the environment names no services: the stack of `make up`.
LOCAL_STACK = Path(__file__).parents[1] / ".bridge" / "local.env"
SERVICES = ("KAFKA_", "POSTGRES_", "CONSUL_")
NEEDED = ("KAFKA_BOOTSTRAP_SERVERS", "POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_USER", "CONSUL_HOST", "CONSUL_PORT")


@pytest.fixture(scope="session", autouse=True)
def _quiet_clients() -> None:
    """Keep what aiokafka repeats during an outage out of the captured logs: it is some gigabytes in all."""
    logging.getLogger("aiokafka").addFilter(NoiseLimit())


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Return a function that makes settings from environment variables; what is not given has its default."""

    def make(**environ: Any) -> Settings:
        return Settings.from_environ({name: str(value) for name, value in environ.items()})

    return make


@pytest.fixture(scope="session")
def stack() -> Mapping[str, str]:
    """The environment variables that say where the services are."""
    if all(name in os.environ for name in NEEDED):
        return {name: value for name, value in os.environ.items() if name.startswith(SERVICES)}
    if LOCAL_STACK.exists():
        lines = LOCAL_STACK.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line.startswith(SERVICES))
    pytest.fail("no Kafka, PostgreSQL and Consul: run `make test`, or `make up` first")


@pytest.fixture(scope="session")
def kafka(stack: Mapping[str, str]) -> str:
    """The bootstrap servers."""
    return stack["KAFKA_BOOTSTRAP_SERVERS"]


@pytest.fixture
def unique_prefix() -> str:
    """A topic prefix that no other test uses."""
    return f"test-{uuid4().hex[:12]}."


@pytest.fixture
async def admin_sql(stack: Mapping[str, str]) -> AsyncIterator[Connection]:
    """A connection to another database than the fresh one."""
    connection = await _connect(stack, stack.get("POSTGRES_DB", "postgres"))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def database(stack: Mapping[str, str], admin_sql: Connection) -> AsyncIterator[dict[str, str]]:
    """The settings of a fresh database, which is dropped when the test is over."""
    name = f"test_{uuid4().hex[:12]}"
    await admin_sql.execute(f'CREATE DATABASE "{name}"')
    yield {**{key: value for key, value in stack.items() if key.startswith("POSTGRES_")}, "POSTGRES_DB": name}
    await admin_sql.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def sql(database: Mapping[str, str]) -> AsyncIterator[Connection]:
    """A connection to the fresh database."""
    connection = await _connect(database, database["POSTGRES_DB"])
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def own_kafka() -> Iterator[OwnServer[ProxiedKafka]]:
    """A broker for one test alone, which it starts, stops, kills and pauses as it likes."""
    with open_folder() as folder, kafka_in(folder) as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[OwnServer[Postgres]]:
    """A PostgreSQL for one test alone."""
    with open_folder() as folder, postgres_in(folder) as server:
        yield server


@pytest.fixture
def own_consul() -> Iterator[OwnServer[Consul]]:
    """A Consul for one test alone."""
    with open_folder() as folder, consul_in(folder) as server:
        yield server


async def _connect(where: Mapping[str, str], name: str) -> Connection:
    return await asyncpg.connect(
        host=where["POSTGRES_HOST"],
        port=int(where["POSTGRES_PORT"]),
        user=where["POSTGRES_USER"],
        password=where.get("POSTGRES_PASSWORD") or None,
        database=name,
    )
