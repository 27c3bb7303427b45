"""F3: thirty kills in a row, 0.1 to 1 s apart: it converges, and no worker ends in a crash loop."""

import asyncio

import pytest

from tests.chaos.bridge.runs import LONG_RUNS, Run
from tests.lab.deployment import Deployment
from tests.lab.trial import Trial

KILLS = 30
CONVERGED_SECONDS = 60.0


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_resilience_16_f3_thirty_kills_in_a_row_converge_within_60_seconds(
    deployment: Deployment, run: Run
) -> None:
    workers = [deployment.worker(name).start() for name in ("a", "b")]
    await deployment.until_ready(*workers)
    trial = Trial(deployment, "F3 30 kills", run.seed())
    async with trial.under_load(run.seconds):
        for _ in range(KILLS):
            victim = trial.rng.choice(workers)
            await victim.kill()
            victim.start()
            await asyncio.sleep(trial.rng.uniform(0.1, 1.0))
        trial.fault_over()
        assert await trial.recovered() < CONVERGED_SECONDS
        await deployment.until_ready(*workers)

    (await trial.conclude()).assert_sound()
