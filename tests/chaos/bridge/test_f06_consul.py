"""F6: Consul stops, is unreachable, refuses, forgets: hooks go on, and the workers are registered again."""

import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import orjson
import pytest

from deploy.local.consul import Consul
from tests.chaos.bridge.runs import LONG_RUNS, Run
from tests.lab.denying_consul import denying
from tests.lab.deployment import Deployment
from tests.lab.services import OwnServer
from tests.lab.tcp_proxy import SILENT, TcpProxy
from tests.lab.trial import Trial
from tests.lab.waiting import eventually

CONVERGED_SECONDS = 60.0
#: A busy machine takes its time to start Python.
START_SECONDS = 60.0


class Registry:
    """A deployment of two workers, and the Consul behind a proxy that they register with."""

    def __init__(self, deployment: Deployment, consul: OwnServer[Consul], proxy: TcpProxy) -> None:
        self.deployment = deployment
        self._consul = consul
        self._proxy = proxy
        self.workers = [deployment.worker(name) for name in ("a", "b")]

    async def stopped(self) -> None:
        await self._consul.stop()
        await self._until_missed()
        await self._consul.start()

    async def unreachable(self) -> None:
        self._proxy.become(SILENT)
        await self._until_missed()
        await self._proxy.heal()

    async def denying(self) -> None:
        """A worker that starts meanwhile is not registered, and says so."""
        await self._consul.stop()
        late = self.workers[1]
        async with denying(self._consul):
            assert await late.terminate() == 0
            late.start()

            async def tells_of_the_refusal() -> bool:
                checks = (await self.deployment.health(late)).get("checks", {})
                return "refuses the registration" in str(checks.get("consul"))

            await eventually(
                tells_of_the_refusal,
                "the health of the late worker says that it is refused",
                seconds=START_SECONDS,
            )
        await self._consul.start()

    async def wiped(self) -> None:
        await self._consul.stop()
        shutil.rmtree(self._consul.server.folder / "data")
        await self._consul.start()

    async def registered(self) -> list[str]:
        """Return the ids of the bridge's workers that Consul knows, sorted."""
        environ = self._consul.environ
        url = f"http://{environ['CONSUL_HOST']}:{environ['CONSUL_PORT']}/v1/catalog/service/omninode-bridge"
        async with self.deployment.session.get(url) as response:
            if response.status != 200:
                return []
            return sorted(entry["ServiceID"] for entry in orjson.loads(await response.read()))

    async def until_converged(self) -> None:
        async def converged() -> bool:
            return await self.registered() == ["omninode-bridge-a", "omninode-bridge-b"]

        await eventually(converged, "Consul knows both workers, each once", seconds=CONVERGED_SECONDS)

    async def _until_missed(self) -> None:
        for worker in self.workers:
            health = await self.deployment.until_status(worker, "degraded")
            assert health["checks"]["consul"]["reason"]


@pytest.fixture
async def registry(stack: Mapping[str, str], own_consul: OwnServer[Consul], tmp_path: Path) -> AsyncIterator[Registry]:
    await own_consul.start()
    services = {**stack, **own_consul.proxied_environ}
    async with own_consul.proxy() as proxy, Deployment(tmp_path, services) as deployment:
        found = Registry(deployment, own_consul, proxy)
        await deployment.until_ready(*[worker.start() for worker in found.workers])
        yield found


@pytest.mark.parametrize("run", LONG_RUNS)
async def test_resilience_16_f6_whatever_consul_does_hooks_go_on_and_it_knows_the_workers_again(
    registry: Registry, run: Run
) -> None:
    await registry.until_converged()
    trial = Trial(registry.deployment, "F6 Consul", run.seed())
    async with trial.under_load(run.seconds):
        for fault in (registry.stopped, registry.unreachable, registry.wiped):
            await fault()
            await registry.until_converged()
        for worker in registry.workers:
            await registry.deployment.until_status(worker, "healthy")
        assert trial.refused_hooks() == {}
        await registry.denying()
        await registry.until_converged()
        trial.fault_over()

    (await trial.conclude()).assert_sound()
