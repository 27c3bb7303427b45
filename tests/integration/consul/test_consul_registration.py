"""The worker's registration in the real Consul."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bridge_app.domain.breaker import BreakerState
from bridge_app.effects.consul import ConsulRegistration
from bridge_app.errors import DependencyRefusal, ServiceUnavailable
from bridge_app.settings import Settings
from deploy.local.consul import Consul
from tests.lab.denying_consul import denying
from tests.lab.guards import new_breaker
from tests.lab.services import OwnServer
from tests.lab.waiting import eventually


class Agent:
    """Consul's own HTTP interface, without the client under test."""

    def __init__(self, session: aiohttp.ClientSession, url: str, node_id: str) -> None:
        self._session = session
        self._url = url
        self._node_id = node_id

    async def service(self) -> dict[str, Any] | None:
        async with self._session.get(f"{self._url}/v1/agent/service/{self._node_id}") as response:
            return await response.json() if response.status == 200 else None

    async def check(self) -> dict[str, Any]:
        async with self._session.get(f"{self._url}/v1/agent/checks") as response:
            checks = await response.json()
        (found,) = (check for check in checks.values() if check["ServiceID"] == self._node_id)
        return dict(found)

    async def forget(self) -> None:
        async with self._session.put(f"{self._url}/v1/agent/service/deregister/{self._node_id}") as response:
            response.raise_for_status()

    async def until_registered(self) -> dict[str, Any]:
        async def registered() -> bool:
            return await self.service() is not None

        await eventually(registered, "the registration")
        return await self.service() or {}


@pytest.fixture
async def agent(settings: Settings) -> AsyncIterator[Agent]:
    async with aiohttp.ClientSession() as session:
        agent = Agent(session, f"http://{settings.consul_host}:{settings.consul_port}", settings.node_id)
        yield agent
        await agent.forget() if await agent.service() else None


@asynccontextmanager
async def running(settings: Settings, **options: Any) -> AsyncIterator[ConsulRegistration]:
    registration = ConsulRegistration(settings, new_breaker("consul"), **options)
    await registration.start()
    try:
        yield registration
    finally:
        await registration.stop()


async def test_worker_is_registered_while_it_runs(settings: Settings, agent: Agent) -> None:
    async with running(settings) as registration:
        service = await agent.until_registered()
        assert (service["Service"], service["ID"]) == ("omninode-bridge", settings.node_id)
        assert (service["Address"], service["Port"]) == ("127.0.0.1", 6099)
        assert service["Meta"]["instance_id"] == settings.instance_id
        assert service["Meta"]["version"]
        check = await agent.check()
        assert (check["Type"], check["Interval"], check["Timeout"]) == ("http", "10s", "5s")
        await eventually(lambda: registration.is_registered, "the worker knows")
        await registration.probe()
    assert await agent.service() is None


async def test_registration_that_consul_lost_is_made_again(settings: Settings, agent: Agent) -> None:
    async with running(settings, reconcile_seconds=0.05):
        await agent.until_registered()
        await agent.forget()
        await agent.until_registered()


async def test_registration_of_an_earlier_start_is_replaced(
    settings: Settings, agent: Agent, make_settings: Callable[..., Settings], stack: Mapping[str, str]
) -> None:
    moved = make_settings(
        **stack, BRIDGE_INSTANCE_ID=settings.instance_id, BRIDGE_ADVERTISED_URL="http://127.0.0.1:7099"
    )
    async with running(settings):
        await agent.until_registered()

        async def replaced() -> bool:
            return (await agent.service() or {}).get("Port") == 7099

        async with running(moved):
            await eventually(replaced, "the new port")


async def test_worker_starts_and_stops_without_consul(make_settings: Callable[..., Settings]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with running(make_settings(CONSUL_HOST="127.0.0.1", CONSUL_PORT=taken.getsockname()[1])) as registration:
            with pytest.raises(ServiceUnavailable, match="Consul is away"):
                await registration.probe()
            assert not registration.is_registered


async def test_a_refused_registration_shows_until_consul_takes_it_and_opens_no_breaker(
    make_settings: Callable[..., Settings], own_consul: OwnServer[Consul]
) -> None:
    address = make_settings(**own_consul.environ)
    breaker = new_breaker("consul")
    registration = ConsulRegistration(address, breaker)
    async with denying(own_consul):
        await registration.start()
        await eventually(lambda: registration.refusal is not None, "the refusal")
        with pytest.raises(DependencyRefusal, match=r"refuses the registration of this worker: .*Permission denied"):
            await registration.probe()
    assert not registration.is_registered
    assert breaker.snapshot().state is BreakerState.CLOSED

    await own_consul.start()
    await eventually(lambda: registration.is_registered, "Consul takes the registration")
    await registration.probe()
    await registration.stop()


async def test_disabled_registration_does_nothing(
    make_settings: Callable[..., Settings], stack: Mapping[str, str], settings: Settings, agent: Agent
) -> None:
    disabled = make_settings(**stack, BRIDGE_INSTANCE_ID=settings.instance_id, CONSUL_ENABLED="false")
    async with running(disabled) as registration:
        assert not registration.enabled
        assert await agent.service() is None
        with pytest.raises(ServiceUnavailable, match="CONSUL_ENABLED=false"):
            await registration.probe()
