"""F7: workers come and go, at times more of them than there are partitions: none of these is stuck."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from tests.chaos.bridge.runs import LONG_RUNS, Run
from tests.lab.deployment import EXTRA, HOOKS, PATTERNS, PERFORMANCE, STRUCK, Deployment
from tests.lab.trial import Trial
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

STUCK_SECONDS = 60.0
CHANGING_SECONDS = 180.0
SAMPLE_SECONDS = 1.0
#: For a worker that starts beside three others, under load.
ADDED_SECONDS = 180.0


class Watch:
    """Looks at the lag of every partition once a second; `longest` is how long one had some and made no progress,
    `where` says which one, of which group.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.longest = 0.0
        self.where: tuple[str, TopicPartition] | None = None
        self._over = False
        self._deployment = deployment
        self._moved: dict[tuple[str, TopicPartition], tuple[int, float]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._over = True  # not cancelled: a Kafka client may swallow that
            await task

    async def _run(self) -> None:
        deployment = self._deployment
        while not self._over:
            try:
                hooks = await deployment.ends(HOOKS)
                stored = {**hooks, **await deployment.ends(EXTRA, PATTERNS, PERFORMANCE)}
                for group, ends in ((deployment.agents_group, hooks), (deployment.adapter_group, stored)):
                    committed = await deployment.cluster.committed(group)
                    for tp, end in ends.items():
                        self._look(group, tp, committed.get(tp, 0), end)
            except KafkaError:
                pass  # a coordinator that moves; the next look will tell
            await asyncio.sleep(SAMPLE_SECONDS)

    def _look(self, group: str, tp: TopicPartition, committed: int, end: int) -> None:
        now = time.monotonic()
        before, since = self._moved.get((group, tp), (-1, now))
        if committed != before or committed >= end:
            self._moved[group, tp] = (committed, now)
        elif now - since > self.longest:
            self.longest, self.where = now - since, (group, tp)


async def change(trial: Trial, workers: list[Worker]) -> None:
    """Start a worker that is not there, or end one that is, in order or not; one stays always."""
    there = [worker for worker in workers if worker.is_running]
    absent = [worker for worker in workers if not worker.is_running]
    if absent and (len(there) == 1 or trial.rng.random() < 0.5):
        trial.rng.choice(absent).start()
    elif trial.rng.random() < 0.5:
        # It may be so new that Python has not come to its signal handlers.
        assert await trial.rng.choice(there).terminate() in (0, -signal.SIGTERM)
    else:
        await trial.rng.choice(there).kill()


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_resilience_16_f7_while_workers_come_and_go_no_partition_is_stuck(
    stack: Mapping[str, str], tmp_path: Path, run: Run
) -> None:
    async with Deployment(tmp_path, stack) as deployment:
        workers = [deployment.worker(name) for name in "abcd"]
        await deployment.until_ready(workers[0].start())
        trial = Trial(deployment, "F7 come and go", run.seed())
        watch = Watch(deployment)
        async with trial.under_load(run.seconds), watch.running():
            end = time.monotonic() + CHANGING_SECONDS
            while time.monotonic() < end:
                await change(trial, workers)
                await asyncio.sleep(trial.rng.uniform(1, 20))
            trial.fault_over()
            await trial.recovered()

        (await trial.conclude()).assert_sound()
        assert watch.longest < STUCK_SECONDS, watch.where


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_database_adapter_18_of_three_workers_one_is_killed_and_one_added(
    deployment: Deployment, run: Run
) -> None:
    workers = [deployment.worker(name, module=STRUCK).start() for name in "abc"]
    await deployment.until_ready(*workers)
    trial = Trial(deployment, "F7 three", run.seed())
    async with trial.under_load(run.seconds):
        await workers[0].kill()
        trial.fault_over()
        await trial.recovered()
        await deployment.until_ready(deployment.worker("d", module=STRUCK).start(), seconds=ADDED_SECONDS)

    (await trial.conclude()).assert_sound()

    async def all_is_committed() -> bool:
        committed = await deployment.cluster.committed(deployment.adapter_group)
        ends = await deployment.ends(HOOKS, EXTRA, PATTERNS, PERFORMANCE)
        return {tp: committed.get(tp, 0) for tp in ends} == ends

    # What the agents find as time passes may come between the two looks.
    await eventually(all_is_committed, "each partition's committed offset is its end")
