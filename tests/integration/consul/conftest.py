"""Consul's key-value store as operators use it, and a watch as a worker runs it."""

from collections.abc import AsyncIterator, Callable, Mapping
from uuid import uuid4

import aiohttp
import pytest

from bridge_app.settings import Settings
from tests.lab.consul_store import ConsulStore


@pytest.fixture
def settings(make_settings: Callable[..., Settings], stack: Mapping[str, str]) -> Settings:
    """The settings of a worker in an environment of its own."""
    return make_settings(
        **stack,
        BRIDGE_INSTANCE_ID=f"test-{uuid4().hex[:8]}",
        BRIDGE_ADVERTISED_URL="http://127.0.0.1:6099",
        ENVIRONMENT=f"test-{uuid4().hex[:8]}",
    )


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[ConsulStore]:
    async with aiohttp.ClientSession() as session:
        store = ConsulStore(session, f"http://{settings.consul_host}:{settings.consul_port}", settings.environment)
        yield store
        await store.clear()
