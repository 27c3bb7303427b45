"""A worker's web server, for real, on a free port of this machine."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
import pytest

from bridge_app.settings import Settings
from tests.unit.web.http_worker import MAX_BODY_BYTES, Worker

StartWorker: TypeAlias = Callable[..., Awaitable[Worker]]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
async def start_worker(make_settings: Callable[..., Settings]) -> AsyncIterator[StartWorker]:
    """A function that starts a worker; keywords in capitals are its environment variables, others its options."""
    started: list[Worker] = []

    async def start(**keywords: Any) -> Worker:
        environ = {name: value for name, value in keywords.items() if name.isupper()}
        options = {name: value for name, value in keywords.items() if not name.isupper()}
        settings = make_settings(**{"HTTP_MAX_BODY_BYTES": MAX_BODY_BYTES, **environ})
        worker = Worker(options.pop("port", _free_port()), settings, **options)
        await worker.web.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        await worker.web.stop()


@pytest.fixture
async def worker(start_worker: StartWorker) -> Worker:
    return await start_worker()


@pytest.fixture
async def http(worker: Worker) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(worker.url) as session:
        yield session
