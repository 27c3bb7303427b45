"""The network between a worker and the broker is slow, torn or gone: nothing is committed that is not in the changelog.

The workers go through a proxy; the load and the oracle go straight to the broker.
"""

from functools import partial
from pathlib import Path

import pytest

from tests.lab.laboratory import Laboratory
from tests.lab.load import numbered
from tests.lab.marks import LONG
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.tcp_proxy import Network
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

SLOW = Network(latency=0.2, jitter=0.1)
PIECES = Network(piece_bytes=1)
NARROW = Network(bytes_per_second=200_000, piece_bytes=1_400)
NETWORKS = [
    pytest.param(SLOW, 4_000, id="400 ms ± 200"),
    pytest.param(PIECES, 200, id="1 byte at a time", marks=LONG),
    pytest.param(NARROW, 1_000, id="200 kB/s", marks=LONG),
]
PER_SECOND = 2_000
CUTS = [pytest.param(1, id="1 cut"), pytest.param(8, id="8 cuts", marks=LONG)]
RESETS = [pytest.param(3, id="3 resets", marks=LONG), pytest.param(50, id="50 resets", marks=LONG)]


@pytest.mark.parametrize(("network", "events"), NETWORKS)
async def test_on_a_bad_network_no_commit_overtakes_the_changelog(
    own_kafka: OwnServer[ProxiedKafka], tmp_path: Path, network: Network, events: int
) -> None:
    """kill -9 at a random point: whatever is committed then was in the changelog before."""
    await own_kafka.start()
    async with Laboratory(own_kafka.server.bootstrap_servers, tmp_path) as lab, own_kafka.proxy(lab.rng) as proxy:
        await lab.create_topics()
        worker = lab.worker(**own_kafka.proxied_environ, LAB_SESSION=15).start()
        await lab.until_members("a")
        proxy.become(network)
        await lab.send(numbered(lab.rng, range(events), keys=500, name="before"))
        await lab.until_derived_is(lab.rng.randrange(1, events), seconds=60)
        assert await lab.overtaken() == []
        await lab.kill(worker)
        assert await lab.overtaken() == []

        await proxy.heal()
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        (await lab.audit()).assert_sound()


@pytest.mark.parametrize("resets", RESETS)
async def test_connections_that_are_reset_again_and_again_lose_and_double_nothing(
    own_kafka: OwnServer[ProxiedKafka], tmp_path: Path, resets: int
) -> None:
    await own_kafka.start()
    async with Laboratory(own_kafka.server.bootstrap_servers, tmp_path) as lab, own_kafka.proxy(lab.rng) as proxy:
        await lab.create_topics()
        worker = lab.worker(**own_kafka.proxied_environ).start()
        async with lab.under_load(keys=2_000, per_second=PER_SECOND, backlog=2_000):
            for _ in range(resets):
                await lab.until_derived(lab.rng.randrange(1, 2_000))
                await proxy.reset()
        await lab.until_committed()
        assert await worker.terminate() == 0

        (await lab.audit()).assert_sound()


@pytest.mark.parametrize("cuts", CUTS)
async def test_a_worker_cut_off_for_longer_than_its_session_writes_nothing_behind_the_new_owner(
    own_kafka: OwnServer[ProxiedKafka], tmp_path: Path, cuts: int
) -> None:
    """Its sends wait in the client, and would be tried again as soon as the network is back."""
    await own_kafka.start()
    async with (
        Laboratory(own_kafka.server.bootstrap_servers, tmp_path, partitions=1) as lab,
        own_kafka.proxy() as proxy,
    ):
        await lab.create_topics()
        for cut in range(cuts):
            worker = lab.worker(f"cut{cut}", **own_kafka.proxied_environ).start()
            other = lab.worker(f"other{cut}")
            await eventually(partial(is_ready, worker), "the worker is ready")
            proxy.become(Network(latency=0.1))
            await lab.send(numbered(lab.rng, range(20_000), keys=100, name=f"before{cut}-"))
            await lab.until_derived(lab.rng.randrange(1, 10_000))
            await proxy.cut()
            other.start()
            await lab.until_members(other.name)
            await lab.send(numbered(lab.rng, range(4_000), keys=100, name=f"after{cut}-"))
            await lab.until_committed()
            await proxy.heal()
            await eventually(partial(back_or_gone, lab, worker), "the worker is a member again, or has ended")
            worker.destroy()
            assert await other.terminate() == 0

            (await lab.audit()).assert_sound()


def is_ready(worker: Worker) -> bool:
    return "worker_ready" in worker.log


async def back_or_gone(lab: Laboratory, worker: Worker) -> bool:
    return not worker.is_running or worker.name in await lab.cluster.members(lab.group)
