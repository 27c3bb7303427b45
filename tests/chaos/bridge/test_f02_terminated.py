"""F2: a worker is told to end (SIGTERM) in the middle of a batch, also while Postgres hangs."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.local.postgres import Postgres
from tests.chaos.bridge.runs import LONG_RUNS, Run
from tests.lab.bridge_oracle import committed_unstored
from tests.lab.deployment import Deployment
from tests.lab.services import OwnServer
from tests.lab.trial import Trial
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

EXIT_SECONDS = 30.0
TERMINATIONS = 5
#: More than a worker gives a statement to end when it stops; less than until a statement times out.
SLOW_SECONDS = 3


async def until_writing(deployment: Deployment) -> None:
    """Wait until the adapter is in the middle of a statement."""

    async def writing() -> bool:
        return bool(await deployment.sql.fetchval("SELECT 1 FROM pg_stat_activity WHERE query ~ '^\\s*INSERT' LIMIT 1"))

    await eventually(writing, "a statement is under way")


async def start(deployment: Deployment) -> Worker:
    worker = deployment.worker("a").start()
    await deployment.until_ready(worker)
    await deployment.until_status(worker, "healthy")
    return worker


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_resilience_16_f2_sigterm_in_a_batch_ends_within_30_seconds_and_commits_only_what_is_stored(
    deployment: Deployment, run: Run
) -> None:
    worker = await start(deployment)
    await deployment.sql.execute(f"""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(random() * {SLOW_SECONDS}); RETURN NULL; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON event_logs FOR EACH STATEMENT EXECUTE FUNCTION slow()
    """)
    trial = Trial(deployment, "F2 SIGTERM", run.seed())
    async with trial.under_load(run.seconds):
        for _ in range(TERMINATIONS):
            await until_writing(deployment)
            assert await worker.terminate(seconds=EXIT_SECONDS) == 0
            assert await committed_unstored(deployment) == []
            worker.start()
            await deployment.until_ready(worker)
        await deployment.sql.execute("DROP TRIGGER slow ON event_logs")
        trial.fault_over()

    (await trial.conclude()).assert_sound()


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_resilience_16_f2_sigterm_while_postgres_hangs_ends_within_30_seconds(
    stack: Mapping[str, str], own_postgres: OwnServer[Postgres], tmp_path: Path, run: Run
) -> None:
    await own_postgres.start()
    async with Deployment(tmp_path, {**stack, **own_postgres.environ}) as deployment:
        worker = await start(deployment)
        trial = Trial(deployment, "F2 hanging", run.seed())
        async with trial.under_load(run.seconds):
            await own_postgres.pause()
            await eventually(lambda: unwell(deployment, worker), "/health says that Postgres does not answer")
            await worker.terminate(seconds=EXIT_SECONDS)
            await own_postgres.resume()
            assert await committed_unstored(deployment) == []
            worker.start()
            await deployment.until_ready(worker)
            trial.fault_over()

        (await trial.conclude()).assert_sound()


async def unwell(deployment: Deployment, worker: Worker) -> bool:
    return bool((await deployment.health(worker))["checks"]["database"]["status"] == "unhealthy")
