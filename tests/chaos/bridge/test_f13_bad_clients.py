"""F13: slow clients, huge bodies, disconnects, idle sockets, slow readers: the others do not notice."""

import pytest

from tests.chaos.bridge.runs import LONG_RUNS, Run
from tests.lab import hostile
from tests.lab.deployment import FIRST_PORT, Deployment
from tests.lab.processes import resident_bytes, sockets
from tests.lab.trial import Trial
from tests.lab.waiting import eventually
from tests.lab.workload import SERVICES

MIB = 1024 * 1024
HUGE = 100 * MIB
GROWTH = 150 * MIB
P95_SECONDS = 0.2
IDLE = 1_000
SLOW = 100
UNREAD = 50
DISCONNECTS = 300
BODIES = 8
#: Each service of the workload may come to have a connection of its own; some go to the broker and to Postgres.
SPARE_SOCKETS = SERVICES + 10


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_resilience_16_f13_bad_clients_harm_neither_memory_nor_the_others(
    deployment: Deployment, run: Run
) -> None:
    worker = deployment.worker("a").start()
    await deployment.until_ready(worker)
    trial = Trial(deployment, "F13 bad clients", run.seed())
    crowd = hostile.Crowd(FIRST_PORT)
    async with trial.under_load(run.seconds) as journal:
        await eventually(lambda: len(journal.hooks) > 1_000, "the load is there")
        memory, open_sockets = resident_bytes(worker.pid), sockets(worker.pid)
        first = len(journal.hooks)
        await crowd.idle(IDLE)
        await crowd.slow(SLOW)
        await crowd.unread(UNREAD, "/intelligence/patterns?limit=1000")
        for _ in range(DISCONNECTS):
            await hostile.disconnect(FIRST_PORT)
        statuses = await hostile.big_bodies(FIRST_PORT, HUGE, BODIES)
        during = [sent.seconds for sent in journal.hooks[first:] if sent.seconds]
        grown = resident_bytes(worker.pid) - memory
        await crowd.leave()
        await eventually(lambda: sockets(worker.pid) <= open_sockets + SPARE_SOCKETS, "the sockets are closed")
        trial.fault_over()
    report = await trial.conclude()

    report.assert_sound()
    assert trial.refused_hooks() == {}
    assert statuses == [413] * BODIES
    assert grown < GROWTH, f"{grown // MIB} MiB more"
    assert hostile.percentile(during, 95) < P95_SECONDS
