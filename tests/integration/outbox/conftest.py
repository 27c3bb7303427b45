"""A worker with a broker of its own, which the tests take away from it."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from tests.integration.outbox.outage import Outage
from tests.lab.services import OwnServer, ProxiedKafka


@pytest.fixture
async def outage(
    own_kafka: OwnServer[ProxiedKafka], database: Mapping[str, str], tmp_path: Path
) -> AsyncIterator[Outage]:
    """Return the worker, not started yet, and its broker, which is not either."""
    environ = {**database, **own_kafka.environ, "CONSUL_ENABLED": "false", "LOG_FORMAT": "json"}
    async with aiohttp.ClientSession() as session:
        outage = Outage(tmp_path, environ, own_kafka, session)
        yield outage
        outage.worker.destroy()
