"""A worker's web server, for real, on a free port of this machine."""

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.unit.web.http_worker import Worker


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker(_free_port())
    await worker.web.start()
    yield worker
    await worker.web.stop()


@pytest.fixture
async def http(worker: Worker) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(worker.url) as session:
        yield session
