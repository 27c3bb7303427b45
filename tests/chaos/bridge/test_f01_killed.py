"""F1: a worker is killed at the worst moments (SIGKILL); its partitions move, and nothing is lost or doubled."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.chaos.bridge.runs import RUNS, Run
from tests.lab.adapter_kill_points import POINTS
from tests.lab.deployment import STRUCK, Deployment
from tests.lab.trial import Trial

RECOVERY_SECONDS = 30.0
#: In the agents; the others are in the adapter.
CHANGELOG = "during_changelog"


@pytest.fixture
async def deployment(stack: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    async with Deployment(tmp_path, stack) as started:
        yield started


@pytest.mark.parametrize("run", RUNS)
async def test_resilience_16_f1_a_killed_workers_partitions_move_and_nothing_is_lost(
    deployment: Deployment, run: Run
) -> None:
    staying, victim = deployment.worker("a", module=STRUCK), deployment.worker("b", module=STRUCK)
    staying.start()
    await deployment.until_ready(staying)
    trial = Trial(deployment, "F1 killed", run.seed())
    async with trial.under_load(run.seconds):
        for point in [*POINTS, CHANGELOG]:
            assert await victim.start(STRUCK_AT=point, STRUCK_COUNT=3).exit_code(seconds=60) == -9
            await deployment.expel(victim)
        victim.start()
        await deployment.until_ready(victim)
        await victim.kill()
        trial.fault_over()
        assert await trial.recovered() < RECOVERY_SECONDS
        victim.start()
    report = await trial.conclude()

    report.assert_sound()
