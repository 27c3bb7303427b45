"""The broker stops, dies, hangs and comes back while workers are at work: they ride it out, and nothing is lost."""

import asyncio
from pathlib import Path

import pytest

from tests.lab.laboratory import Laboratory
from tests.lab.marks import LONG
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.waiting import eventually

PER_SECOND = 2_000
BACKLOG = 4_000
#: Seconds after which the producer gives a request up; the second is what the bridge has.
REQUEST_TIMEOUTS = [pytest.param(2, id="timeout 2 s"), pytest.param(40, id="timeout 40 s", marks=LONG)]
OUTAGES = [pytest.param(5, id="5 s"), pytest.param(40, id="40 s", marks=LONG)]
PAUSE_SECONDS = 10
SESSIONS = [pytest.param(15, id="shorter than the session"), pytest.param(6, id="longer than the session")]


@pytest.mark.parametrize("request_timeout", REQUEST_TIMEOUTS)
async def test_a_broker_that_is_stopped_for_longer_than_the_request_timeout_loses_and_doubles_nothing(
    own_kafka: OwnServer[ProxiedKafka], tmp_path: Path, request_timeout: int
) -> None:
    await own_kafka.start()
    async with Laboratory(own_kafka.server.bootstrap_servers, tmp_path) as lab:
        await lab.create_topics()
        worker = lab.worker(LAB_REQUEST_TIMEOUT=request_timeout, LAB_STEP_MICROS=100).start()
        async with lab.under_load(keys=2_000, per_second=PER_SECOND, backlog=BACKLOG):
            await lab.until_derived(lab.rng.randrange(1, BACKLOG))
            await own_kafka.stop()
            await eventually(lambda: "send_retried" in worker.log, "a send times out", seconds=request_timeout + 30)
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
        workers = [lab.worker(name, LAB_STEP_MICROS=100).start() for name in "ab"]
        async with lab.under_load(keys=2_000, per_second=PER_SECOND, backlog=BACKLOG):
            await lab.until_members("a", "b")
            await lab.until_derived(lab.rng.randrange(1, BACKLOG))
            await own_kafka.kill()
            await asyncio.sleep(outage)
            await own_kafka.start()
            await lab.until_derived(1)
        await lab.until_committed()
        assert [await worker.terminate() for worker in workers] == [0, 0]

        (await lab.audit()).assert_sound()


@pytest.mark.parametrize("session", SESSIONS)
async def test_a_broker_that_hangs_loses_nothing_and_no_worker_ends(
    own_kafka: OwnServer[ProxiedKafka], tmp_path: Path, session: int
) -> None:
    await own_kafka.start()
    async with Laboratory(own_kafka.server.bootstrap_servers, tmp_path) as lab:
        await lab.create_topics()
        workers = [lab.worker(name, LAB_STEP_MICROS=100, LAB_SESSION=session).start() for name in "ab"]
        async with lab.under_load(keys=2_000, per_second=PER_SECOND, backlog=BACKLOG):
            await lab.until_members("a", "b")
            await lab.until_derived(lab.rng.randrange(1, BACKLOG))
            await own_kafka.pause()
            await asyncio.sleep(PAUSE_SECONDS)
            await own_kafka.resume()
            await lab.until_derived(1)
        await lab.until_committed()
        assert [await worker.terminate() for worker in workers] == [0, 0]

        (await lab.audit()).assert_sound()
