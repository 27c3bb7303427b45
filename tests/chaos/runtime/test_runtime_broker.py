"""The broker stops, dies, hangs and comes back while workers are at work: they ride it out, and nothing is lost.

How long a fault lasts is a part of it: that alone is slept here.
"""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tests.lab.laboratory import Laboratory
from tests.lab.marks import LONG
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

PER_SECOND = 2_000
BACKLOG = 4_000
#: Seconds after which the producer gives a request up; the second is what the bridge has.
REQUEST_TIMEOUTS = [pytest.param(2, id="timeout 2 s"), pytest.param(40, id="timeout 40 s", marks=LONG)]
OUTAGES = [pytest.param(5, id="5 s"), pytest.param(40, id="40 s", marks=LONG)]
PAUSE_SECONDS = 10
#: Seconds after which the producer gives a request up, in the middle of the pause or after it.
PAUSED_REQUESTS = [pytest.param(2, id="timeout 2 s", marks=LONG), pytest.param(40, id="timeout 40 s", marks=LONG)]
LONGER_SESSION, SHORTER_SESSION = 15, 6


async def two_workers(lab: Laboratory, **environ: int) -> list[Worker]:
    """Start two workers; when the second is ready, the first has given partitions away, and nothing rebalances."""
    workers = [lab.worker(name, LAB_STEP_MICROS=100, **environ) for name in "ab"]
    for worker in workers:
        worker.start()
        await eventually(partial(is_ready, worker), f"{worker.name} is ready")
    return workers


def is_ready(worker: Worker) -> bool:
    return "worker_ready" in worker.log


@pytest.mark.parametrize("request_timeout", REQUEST_TIMEOUTS)
async def test_a_broker_that_is_stopped_for_longer_than_the_request_timeout_loses_and_doubles_nothing(
    own_kafka: OwnServer[ProxiedKafka], tmp_path: Path, request_timeout: int
) -> None:
    await own_kafka.start()
    async with Laboratory(own_kafka.server.bootstrap_servers, tmp_path) as lab:
        await lab.create_topics()
        worker = lab.worker(LAB_SESSION=LONGER_SESSION, LAB_REQUEST_TIMEOUT=request_timeout, LAB_STEP_MICROS=100)
        worker.start()
        async with lab.under_load(keys=2_000, per_second=PER_SECOND, backlog=BACKLOG):
            await lab.until_derived(lab.rng.randrange(1, BACKLOG))
            await own_kafka.stop()
            await asyncio.sleep(1.2 * request_timeout)
            await own_kafka.start()
            await lab.until_derived(1)
        await lab.until_committed()
        assert await worker.terminate() == 0

        (await lab.audit()).assert_sound()


@pytest.mark.parametrize("outage", OUTAGES)
async def test_a_broker_that_is_killed_and_comes_back_loses_nothing_and_no_worker_ends(
    own_kafka: OwnServer[ProxiedKafka], tmp_path: Path, outage: int
) -> None:
    await own_kafka.start()
    async with Laboratory(own_kafka.server.bootstrap_servers, tmp_path) as lab:
        await lab.create_topics()
        workers = await two_workers(lab, LAB_SESSION=LONGER_SESSION)
        async with lab.under_load(keys=2_000, per_second=PER_SECOND, backlog=BACKLOG):
            await lab.until_derived(lab.rng.randrange(1, BACKLOG))
            await own_kafka.kill()
            await asyncio.sleep(outage)
            await own_kafka.start()
            await lab.until_derived(1)
        await lab.until_committed()
        assert [await worker.terminate() for worker in workers] == [0, 0]

        (await lab.audit()).assert_sound()


@pytest.mark.parametrize("request_timeout", PAUSED_REQUESTS)
async def test_a_broker_that_hangs_loses_nothing_and_no_worker_ends(
    own_kafka: OwnServer[ProxiedKafka], tmp_path: Path, request_timeout: int
) -> None:
    await own_kafka.start()
    async with Laboratory(own_kafka.server.bootstrap_servers, tmp_path) as lab:
        await lab.create_topics()
        workers = await two_workers(lab, LAB_SESSION=LONGER_SESSION, LAB_REQUEST_TIMEOUT=request_timeout)
        async with lab.under_load(keys=2_000, per_second=PER_SECOND, backlog=BACKLOG):
            await hang(lab, own_kafka)
            await lab.until_derived(1)
        await lab.until_committed()
        assert [await worker.terminate() for worker in workers] == [0, 0]

        (await lab.audit()).assert_sound()


@pytest.mark.chaos_long
@pytest.mark.timeout(900)
async def test_a_broker_that_hangs_for_longer_than_the_session_loses_nothing_though_it_forgets_its_workers(
    own_kafka: OwnServer[ProxiedKafka], tmp_path: Path
) -> None:
    """A worker that had records to send cannot know whose they are by now: it ends, and is started again."""
    await own_kafka.start()
    async with Laboratory(own_kafka.server.bootstrap_servers, tmp_path) as lab:
        await lab.create_topics()
        workers = await two_workers(lab, LAB_SESSION=SHORTER_SESSION)
        async with lab.supervised(*workers):
            async with lab.under_load(keys=2_000, per_second=PER_SECOND, backlog=BACKLOG):
                await hang(lab, own_kafka)
                await lab.until_derived(1)
            await lab.until_committed()
        assert [await worker.terminate() for worker in workers] == [0, 0]

        (await lab.audit()).assert_sound()


async def hang(lab: Laboratory, broker: OwnServer[ProxiedKafka]) -> None:
    """Let the broker hang for a while, at some point of the work."""
    await lab.until_derived(lab.rng.randrange(1, BACKLOG))
    await broker.pause()
    await asyncio.sleep(PAUSE_SECONDS)
    await broker.resume()
