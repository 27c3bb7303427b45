"""A real worker process for a benchmark, with a topic prefix, a database and a data folder of its own."""

import asyncio
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from tests.lab.waiting import eventually
from tests.lab.worker import Worker

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

PORT = 27266
START_SECONDS = 60.0


class Server:
    """A process that listens on a port, and what it has taken of the CPU."""

    def __init__(self, pid: int, port: int = PORT) -> None:
        self.pid = pid
        self.port = port

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the process, all threads; NaN where there is no /proc."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def answers(self, path: str) -> bool:
        """Tell whether a GET is answered with 200. Blocks for up to a second."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def listens(self) -> bool:
        """Tell whether the server answers anything at all. Blocks for up to a second."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=1).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


class Deployment(Server):
    """A worker that is ready; `topic` names its topics, `postgres` is its database."""

    def __init__(self, worker: Worker, prefix: str, postgres: Pool) -> None:
        super().__init__(worker.pid)
        self.worker = worker
        self.postgres = postgres
        self._prefix = prefix

    def topic(self, name: str) -> str:
        return self._prefix + name

    async def rows(self, topic: str) -> int:
        """Return how many rows of `event_logs` a topic has."""
        found = await self.postgres.fetchval("SELECT count(*) FROM event_logs WHERE topic = $1", self.topic(topic))
        return int(found)

    async def until_rows(self, topic: str, count: int, *, seconds: float) -> None:
        """Wait until a topic has so many rows, and see that it has no more."""

        async def reached() -> bool:
            return await self.rows(topic) >= count

        await eventually(reached, f"{count} rows of {topic}", seconds=seconds)
        assert await self.rows(topic) == count, "an event was stored that nobody sent"


@asynccontextmanager
async def fresh_database(environ: Mapping[str, str], mark: str) -> AsyncIterator[tuple[dict[str, str], Pool]]:
    """Make a database that is dropped at the end; yield the variables that name it, and connections to it."""
    name = mark.replace("-", "_").replace(".", "_")
    own = {**environ, "POSTGRES_DB": name}
    admin = await asyncpg.connect(**_postgres(environ))
    await admin.execute(f'CREATE DATABASE "{name}"')
    try:
        async with asyncpg.create_pool(**_postgres(own), min_size=0, max_size=2) as pool:
            yield own, pool
    finally:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()


@asynccontextmanager
async def deployed(environ: Mapping[str, str], mark: str) -> AsyncIterator[Deployment]:
    """Run a worker on the services that `environ` names; `mark` is in the names of all that it makes there."""
    async with fresh_database(environ, mark) as (database, pool):
        own = {
            **database, "KAFKA_TOPIC_PREFIX": f"{mark}.", "BRIDGE_WEB_PORT": str(PORT), "CONSUL_ENABLED": "false",
        }  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            worker = Worker("bench", "bridge_app", Path(folder), own, options=()).start()
            try:
                found = Deployment(worker, f"{mark}.", pool)
                await eventually(lambda: asyncio.to_thread(found.answers, "/ready"), "ready", seconds=START_SECONDS)
                yield found
                assert await worker.terminate() == 0, worker.log[-4000:]
            finally:
                worker.destroy()


@asynccontextmanager
async def served(command: list[str], environ: Mapping[str, str]) -> AsyncIterator[Server]:
    """Run another server on the same port, to compare with."""
    process = await asyncio.create_subprocess_exec(*command, str(PORT), env=dict(environ))
    server = Server(process.pid)
    try:
        await eventually(lambda: asyncio.to_thread(server.listens), "the server listens", seconds=START_SECONDS)
        yield server
    finally:
        process.terminate()
        await process.wait()


class Cpu:
    """How many seconds of CPU this process and a server take from now on."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._own, self._servers, self._began = time.process_time(), server.cpu_seconds, time.monotonic()

    def taken(self) -> tuple[float, float, float]:
        """Return seconds of CPU of this process, of the server, and on the clock."""
        own, servers = time.process_time() - self._own, self._server.cpu_seconds - self._servers
        return own, servers, time.monotonic() - self._began


def _postgres(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        "host": environ["POSTGRES_HOST"],
        "port": int(environ["POSTGRES_PORT"]),
        "user": environ["POSTGRES_USER"],
        "password": environ.get("POSTGRES_PASSWORD") or None,
        "database": environ["POSTGRES_DB"],
    }
