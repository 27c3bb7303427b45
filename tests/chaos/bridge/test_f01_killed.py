"""F1: a worker is killed at the worst moments (SIGKILL); its partitions move, and nothing is lost or doubled."""

import pytest

from tests.chaos.bridge.runs import LONG_RUNS, RUNS, Run
from tests.lab.adapter_kill_points import POINTS
from tests.lab.deployment import STRUCK, Deployment
from tests.lab.trial import Trial

RECOVERY_SECONDS = 30.0
#: Those that resilience §10 names; a run of a minute has time for every point.
SHORT = ("before_write", "after_write", "after_send", "after_derived", "during_changelog")
FULL = (*POINTS, "after_derived", "during_changelog")
ROUNDS = 20


@pytest.mark.parametrize("run", RUNS)
async def test_resilience_16_f1_the_partitions_of_a_killed_worker_move_within_30_seconds(
    deployment: Deployment, run: Run
) -> None:
    staying, victim = deployment.worker("a", module=STRUCK), deployment.worker("b", module=STRUCK)
    staying.start()
    await deployment.until_ready(staying)
    trial = Trial(deployment, "F1 killed", run.seed())
    async with trial.under_load(run.seconds):
        for point in FULL if run.is_full else SHORT:
            assert await victim.start(STRUCK_AT=point, STRUCK_COUNT=3).exit_code(seconds=60) == -9, point
            await deployment.expel(victim)
        victim.start()
        await deployment.until_ready(victim)
        await victim.kill()
        trial.fault_over()
        assert await trial.recovered() < RECOVERY_SECONDS
        victim.start()

    (await trial.conclude()).assert_sound()


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_database_adapter_12_killed_at_each_step_of_its_work_in_20_rounds(
    deployment: Deployment, run: Run
) -> None:
    worker = deployment.worker("a", module=STRUCK)
    trial = Trial(deployment, "F1 20 rounds", run.seed())
    async with trial.under_load(run.seconds):
        for number in range(ROUNDS):
            point, count = POINTS[number % len(POINTS)], 1 + number // len(POINTS)
            assert await worker.start(STRUCK_AT=point, STRUCK_COUNT=count).exit_code(seconds=60) == -9, point
            await deployment.expel(worker)
        worker.start()
        await deployment.until_ready(worker)

    (await trial.conclude()).assert_sound()
