"""F14: a bad network between the worker and each of its dependencies: slow, torn, silent, in single bytes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from deploy.local.consul import Consul
from deploy.local.postgres import Postgres
from tests.chaos.bridge.runs import LONG_RUNS, Run
from tests.lab.deployment import Deployment
from tests.lab.processes import sockets
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.tcp_proxy import SILENT, Network, TcpProxy
from tests.lab.trial import Trial
from tests.lab.waiting import eventually

#: Slower than usual: a proxy in Python carries every byte, at times one by one.
RATES = {"hooks_per_second": 50.0, "foreign_per_second": 20.0}
BAD_SECONDS = 6.0
#: A round trip of 200 ms, give or take 100.
SLOW = Network(latency=0.1, jitter=0.05)
PIECES = Network(piece_bytes=1)
#: `KAFKA_TIMEOUT_SECONDS` and what a busy machine adds.
ANSWER_SECONDS = 4.0
SPARE_SOCKETS = 10


@pytest.fixture
async def behind_proxies(
    stack: Mapping[str, str],
    own_kafka: OwnServer[ProxiedKafka],
    own_postgres: OwnServer[Postgres],
    own_consul: OwnServer[Consul],
    tmp_path: Path,
) -> AsyncIterator[tuple[Deployment, list[TcpProxy]]]:
    """A deployment whose workers reach Kafka, Postgres and Consul through a proxy each."""
    servers: tuple[OwnServer[ProxiedKafka] | OwnServer[Postgres] | OwnServer[Consul], ...]
    servers = (own_kafka, own_postgres, own_consul)
    direct, proxied = dict(stack), dict[str, str]()
    async with AsyncExitStack() as running:
        proxies = []
        for server in servers:
            await server.start()
            direct |= server.environ
            proxied |= {name: value for name, value in server.proxied_environ.items() if name != "POSTGRES_DB"}
            proxies.append(await running.enter_async_context(server.proxy()))
        deployment = await running.enter_async_context(Deployment(tmp_path, direct, proxied))
        yield deployment, proxies


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_resilience_16_f14_a_bad_network_delays_and_loses_nothing(
    behind_proxies: tuple[Deployment, list[TcpProxy]], run: Run
) -> None:
    deployment, proxies = behind_proxies
    worker = deployment.worker("a").start()
    await deployment.until_ready(worker)
    await deployment.until_status(worker, "healthy")
    open_sockets = sockets(worker.pid)
    trial = Trial(deployment, "F14 bad network", run.seed(), **RATES)
    async with trial.under_load(run.seconds) as journal:
        await eventually(lambda: len(journal.hooks) > 100, "the load is there")
        for proxy in proxies:
            for network in (SLOW, SILENT, PIECES):
                proxy.become(network)
                await asyncio.sleep(BAD_SECONDS)
                await proxy.heal()
                await proxy.reset()
                trial.fault_over()
                await trial.recovered()
        await deployment.until_status(worker, "healthy")
    report = await trial.conclude()

    report.assert_sound()
    assert trial.refused_hooks() == {}
    await eventually(lambda: sockets(worker.pid) <= open_sockets + SPARE_SOCKETS, "the sockets are closed")
    assert max(sent.seconds for sent in journal.hooks) < ANSWER_SECONDS
