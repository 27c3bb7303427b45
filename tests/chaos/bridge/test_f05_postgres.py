"""F5: Postgres restarts, throws connections out, lets none in, locks, is full, is slow: rows wait, none is lost."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from deploy.local.postgres import Postgres
from tests.chaos.bridge.runs import LONG_RUNS, RUNS, Run
from tests.lab.deployment import Deployment
from tests.lab.services import OwnServer
from tests.lab.trial import Trial
from tests.lab.waiting import crowding, eventually
from tests.lab.worker import Worker

CAUGHT_UP_SECONDS = 10.0
STOPPED_SECONDS = 60.0
#: Longer than an error of an unknown kind is tried before single records are taken for its cause.
HOLD_SECONDS = 45.0
LOCKED_SECONDS = 5
SLOW_SECONDS = 2
ROLE = "bridge"
THROW_OUT = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{ROLE}'"
#: So large that Postgres keeps it in the file of its own that big values of a table have; longer texts are left out.
BIG_EVENT = orjson.dumps({"event_type": "big.one", "payload": {"texts": [os.urandom(15_000).hex() for _ in range(4)]}})


class Sufferer:
    """A deployment and the Postgres that is maltreated: each method is one fault, from its beginning to its end."""

    #: How long a refusal goes on after it was noticed.
    hold_seconds = 0.0

    def __init__(self, deployment: Deployment, postgres: OwnServer[Postgres], worker: Worker) -> None:
        self._deployment = deployment
        self._postgres = postgres
        self._worker = worker

    async def restart(self, *, after: float = 0.0) -> None:
        """Stop it, and start it again when the worker has missed it, or so many seconds later."""
        await self._postgres.stop()
        await self._until_it_is_missed()
        await asyncio.sleep(after)
        await self._postgres.start()

    async def backends_killed(self) -> None:
        for _ in range(10):
            await self._deployment.sql.execute(THROW_OUT)

    async def no_connection_to_be_had(self) -> None:
        """Postgres answers 53300 to every connection of the bridge."""
        database = self._deployment.database
        await self._deployment.sql.execute(f'ALTER DATABASE "{database}" CONNECTION LIMIT 0')
        await self._deployment.sql.execute(THROW_OUT)
        await self._until_logged("53300")
        await self._deployment.sql.execute(f'ALTER DATABASE "{database}" CONNECTION LIMIT -1')

    async def row_locks(self) -> None:
        async with self._deployment.sql.acquire() as connection, connection.transaction():
            await connection.execute("SELECT 1 FROM intelligence_patterns FOR UPDATE")
            await connection.execute(f"SELECT pg_sleep({LOCKED_SECONDS})")

    async def slow_statements(self) -> None:
        async with self._deployment.sql.acquire() as connection:
            await connection.execute(f"""
                CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep({SLOW_SECONDS}); RETURN NULL; END $$;
                CREATE TRIGGER slow BEFORE INSERT ON event_logs FOR EACH STATEMENT EXECUTE FUNCTION slow()
            """)
            await connection.execute(f"SELECT pg_sleep({3 * SLOW_SECONDS})")
            await connection.execute("DROP TRIGGER slow ON event_logs")

    async def disk_full(self) -> None:
        """Let the file with the big values of `event_logs` be on a disk that is always full."""
        async with self._with_big_values_on(Path("/dev/full")):
            await self._deployment.produce(self._deployment.extra_topic, BIG_EVENT)
            await self._until_logged("53100")

    @asynccontextmanager
    async def _with_big_values_on(self, device: Path) -> AsyncIterator[None]:
        name = await self._deployment.sql.fetchval(
            "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE relname = 'event_logs'"
        )
        (data,) = self._postgres.server.folder.glob("data-*")
        file = data / name
        assert file.stat().st_size == 0
        aside = file.with_suffix(".aside")
        await self._postgres.stop()
        file.rename(aside)
        file.symlink_to(device)
        await self._postgres.start()
        yield
        await self._postgres.stop()
        aside.replace(file)
        await self._postgres.start()

    async def _until_it_is_missed(self) -> None:
        async def missed() -> bool:
            return bool((await self._deployment.health(self._worker))["checks"]["database"]["status"] == "unhealthy")

        await eventually(missed, "/health says that Postgres is away")

    async def _until_logged(self, sqlstate: str) -> None:
        await eventually(lambda: f"Postgres refused: {sqlstate}" in self._worker.log, f"the worker names {sqlstate}")
        await asyncio.sleep(self.hold_seconds)


@pytest.fixture
async def suffering(
    stack: Mapping[str, str], own_postgres: OwnServer[Postgres], tmp_path: Path
) -> AsyncIterator[tuple[Deployment, Sufferer]]:
    """A deployment with a worker that is ready, on a Postgres of its own, as a role without privileges."""
    await own_postgres.start()
    services = {**stack, **own_postgres.environ}
    async with Deployment(tmp_path, services, {"POSTGRES_USER": ROLE, "POSTGRES_PASSWORD": ROLE}) as deployment:
        await deployment.sql.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'")
        await deployment.sql.execute(f'ALTER DATABASE "{deployment.database}" OWNER TO {ROLE}')
        worker = deployment.worker("a").start()
        await deployment.until_ready(worker)
        await deployment.until_status(worker, "healthy")
        yield deployment, Sufferer(deployment, own_postgres, worker)


@pytest.mark.parametrize("run", RUNS)
async def test_resilience_16_f5_whatever_postgres_does_the_adapter_catches_up_within_10_seconds(
    suffering: tuple[Deployment, Sufferer], run: Run
) -> None:
    deployment, sufferer = suffering
    sufferer.hold_seconds = HOLD_SECONDS if run.is_full else 0.0
    trial = Trial(deployment, "F5 Postgres", run.seed())
    async with trial.under_load(run.seconds):
        for fault in (
            sufferer.restart,
            sufferer.backends_killed,
            sufferer.no_connection_to_be_had,
            sufferer.row_locks,
            sufferer.disk_full,
            sufferer.slow_statements,
        ):
            await fault()
            trial.fault_over()
            assert await trial.recovered() < CAUGHT_UP_SECONDS * crowding(), fault
    report = await trial.conclude()

    report.assert_sound()
    assert not report.failed
    await deployment.until_rows("event_type = 'big.one'", 1)


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_database_adapter_10_postgres_is_stopped_for_60_seconds_under_load(
    suffering: tuple[Deployment, Sufferer], run: Run
) -> None:
    deployment, sufferer = suffering
    members = await deployment.cluster.members(deployment.adapter_group)
    trial = Trial(deployment, "F5 stopped 60 s", run.seed())
    async with trial.under_load(run.seconds):
        await sufferer.restart(after=STOPPED_SECONDS)
        trial.fault_over()
        assert await trial.recovered() < CAUGHT_UP_SECONDS * crowding()
    report = await trial.conclude()

    report.assert_sound()
    assert not report.failed
    assert await deployment.cluster.members(deployment.adapter_group) == members
