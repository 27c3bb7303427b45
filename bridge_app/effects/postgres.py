"""The connection to Postgres: a pool that comes up by itself, and the migrations.

Nothing waits for Postgres at the start. Until it answers and the migrations have run, whoever asks for a connection
gets `ServiceUnavailable` at once, with the reason.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import orjson
import structlog
from mode import Service

from bridge_app.backoff import CONNECT, Backoff
from bridge_app.domain.database_adapter.failures import Kind, kind_of
from bridge_app.effects.migrations import FOLDER, load, migrate
from bridge_app.errors import DatabaseFailure, DependencyRefusal, MigrationError, ServiceUnavailable
from bridge_app.settings import Settings

log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PooledConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

CONNECT_SECONDS = 2.0
ACQUIRE_SECONDS = 2.0
#: A client-side limit above the server's own, for a server that does not answer any more.
GRACE_SECONDS = 2.0

#: What asyncpg raises when a statement fails or cannot be sent.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class Postgres(Service):
    """The pool for reads and small writes, and the schema.

    `ready` is set when the migrations have run, and stays set through later outages. `reason` says in one line why it
    is not; it never holds the password.
    """

    def __init__(self, settings: Settings, *, migrations: Path = FOLDER, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ready = asyncio.Event()
        self.reason = "Postgres was not reached yet"
        #: That of the server, once it was reached.
        self.version: str | None = None
        self._settings = settings
        self._folder = migrations
        self._pool: Pool | None = None
        self._migrating = asyncio.Lock()

    async def on_start(self) -> None:
        self._pool = await asyncpg.create_pool(
            **self._options("omninode-bridge"), min_size=0, max_size=self._settings.postgres_pool_max, init=_use_orjson
        )
        self.add_future(self._prepare())

    async def on_stop(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    @asynccontextmanager
    async def acquire(self, timeout: float = ACQUIRE_SECONDS) -> AsyncIterator[PooledConnection]:
        """Lend a connection of the pool; JSONB columns are read and written as Python objects.

        Raises:
            ServiceUnavailable: Postgres is away or not migrated, no connection was free within `timeout` seconds, or
                the connection was lost while it was lent.
        """
        if not self.ready.is_set():
            raise ServiceUnavailable(self.reason)
        async with self._lend(timeout) as connection:
            yield connection

    def pool(self) -> dict[str, int]:
        """Return how many connections the pool may have, how many of them are lent, and how many are left."""
        size = self._settings.postgres_pool_max
        in_use = 0 if self._pool is None else self._pool.get_size() - self._pool.get_idle_size()
        return {"size": size, "in_use": in_use, "available": size - in_use}

    async def probe(self) -> None:
        """Ask Postgres for an answer.

        Raises:
            ServiceUnavailable: there is none.
            DependencyRefusal: there is one, but the migrations have not run; the message says why.
        """
        async with self._lend(ACQUIRE_SECONDS) as connection:
            await connection.fetchval("SELECT 1")
        if not self.ready.is_set():
            raise DependencyRefusal(self.reason)

    async def connect(self, application: str, **server_settings: str) -> Connection:
        """Open a connection outside of the pool, with asyncpg's own codecs.

        Raises:
            DatabaseFailure: there is none to be had.
        """
        try:
            return await asyncpg.connect(**self._options(application, **server_settings))
        except DRIVER_ERRORS as error:
            raise failure_of(error) from error

    async def migrate(self, *, again: bool = False) -> None:
        """Bring the schema up to date; with `again` repair it by applying every migration once more.

        Raises:
            MigrationError: naming the migration.
            DatabaseFailure: Postgres is away.
        """
        async with self._migrating:
            migrations = load(self._folder)
            connection = await self.connect("omninode-bridge-migrations")
            self.version = _version(connection)
            try:
                await migrate(connection, migrations, allowed=self._settings.postgres_migrate_on_start, again=again)
            except DRIVER_ERRORS as error:
                raise failure_of(error) from error
            finally:
                connection.terminate()
        self.ready.set()

    async def _prepare(self) -> None:
        backoff = Backoff(*CONNECT)
        while not self.should_stop:
            try:
                await self.migrate()
                log.info("postgres_ready", host=self._settings.postgres_host, database=self._settings.postgres_db)
                return
            except (DatabaseFailure, MigrationError) as error:
                if str(error) != self.reason:
                    log.warning("waiting_for_postgres", error=str(error))
                self.reason = str(error)
            await self.sleep(backoff.next())

    @asynccontextmanager
    async def _lend(self, timeout: float) -> AsyncIterator[PooledConnection]:
        if self._pool is None:
            raise ServiceUnavailable(self.reason)
        try:
            async with self._pool.acquire(timeout=timeout) as connection:
                try:
                    yield connection
                except asyncio.CancelledError:
                    connection.terminate()  # else giving it back waits for a database that may hang
                    raise
                except asyncpg.ReadOnlySQLTransactionError:
                    connection.terminate()  # else it stays read-only for as long as it lives
                    raise
        except DRIVER_ERRORS as error:
            failure = failure_of(error)
            if kind_of(failure.sqlstate) is Kind.TRANSIENT:
                raise ServiceUnavailable(f"Postgres is away: {failure}") from error
            raise

    def _options(self, application: str, **server_settings: str) -> dict[str, Any]:
        settings = self._settings
        timeout_ms = settings.postgres_statement_timeout_ms
        return {
            "host": settings.postgres_host,
            "port": settings.postgres_port,
            "database": settings.postgres_db,
            "user": settings.postgres_user,
            "password": settings.postgres_password or None,
            "timeout": CONNECT_SECONDS,
            "command_timeout": timeout_ms / 1000 + GRACE_SECONDS,
            "server_settings": {
                "application_name": application,
                "statement_timeout": str(timeout_ms),
                "timezone": "UTC",
                **server_settings,
            },
        }


def failure_of(error: BaseException) -> DatabaseFailure:
    """Translate an error of asyncpg.

    A value that the client cannot encode counts as SQLSTATE 22000. `InternalClientError` counts as a lost connection:
    asyncpg raises it when the server ends a connection at the wrong moment, and another connection cures it.
    """
    if isinstance(error, asyncpg.PostgresError):
        context = {
            name: value
            for name, attribute in _CONTEXT.items()
            if (value := getattr(error, attribute, None)) is not None
        }
        return DatabaseFailure(error.sqlstate, str(error), context)
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return DatabaseFailure("22000", str(error), {"sqlstate": "22000"})
    return DatabaseFailure(None, str(error) or type(error).__name__)


_CONTEXT = {
    "table": "table_name",
    "column": "column_name",
    "constraint": "constraint_name",
    "sqlstate": "sqlstate",
}


def _version(connection: Connection) -> str:
    server = connection.get_server_version()
    return f"{server.major}.{server.minor}"


async def _use_orjson(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
        format="binary",
    )
