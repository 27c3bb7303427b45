"""A running worker as its users see it: HTTP, Kafka topics, Postgres and Consul."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp
import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer

from tests.lab.waiting import eventually
from tests.lab.worker import Worker

T = TypeVar("T")

Events = list[tuple[str, dict[str, Any]]]


def lifecycle(name: str, *, hook_type: str = "service_started", **fields: Any) -> dict[str, Any]:
    """Return the body of a lifecycle hook; sections of the body are recognised by their names."""
    sections = ("startup_info", "shutdown_info", "health_transition", "metadata", "correlation_id", "timestamp")
    body = {key: fields.pop(key) for key in sections if key in fields}
    return {"hook_type": hook_type, "service_info": {"name": name, "version": "1.0.0", **fields}, **body}


def execution(tool: str, time_ms: float | None = None, **fields: Any) -> dict[str, Any]:
    """Return the body of a tool execution hook; `cpu`, `memory` and `status` go where they belong, the rest of the
    fields into `execution_info`.
    """
    cpu, memory, status = (fields.pop(name, None) for name in ("cpu", "memory", "status"))
    info = {"tool_name": tool, "execution_id": str(uuid4()), **fields}
    body: dict[str, Any] = {"hook_type": "tool_executed", "execution_info": info}
    if time_ms is not None:
        info["execution_time_ms"] = time_ms
    if cpu is not None:
        body["resource_usage"] = {"cpu_usage": {"peak_percent": cpu}, "memory_usage": {"peak_mb": memory}}
    if status is not None:
        body["execution_result"] = {"status": status}
    return body


class Tail:
    """What arrives on some topics while the tail is open, as (topic without prefix, decoded event)."""

    def __init__(self, consumer: AIOKafkaConsumer, prefix: str) -> None:
        self._consumer = consumer
        self._prefix = prefix
        self.seen: Events = []

    async def until(self, condition: Callable[[Events], bool], within: float) -> Events:
        """Read until the condition holds for all that was seen, and return that."""
        deadline = time.monotonic() + within
        while not condition(self.seen):
            assert time.monotonic() < deadline, (
                f"not within {within} s; seen: {[e['event_type'] for _, e in self.seen]}"
            )
            for tp, records in (await self._consumer.getmany(timeout_ms=100)).items():
                topic = tp.topic.removeprefix(self._prefix)
                self.seen += [(topic, orjson.loads(record.value)) for record in records]
        return self.seen

    async def first(self, matches: Callable[[dict[str, Any]], bool], within: float) -> dict[str, Any]:
        """Return the first event that matches."""
        seen = await self.until(lambda events: any(matches(event) for _, event in events), within)
        return next(event for _, event in seen if matches(event))


class Bridge:
    """One deployment under test, with a topic prefix and a database of its own.

    `environ` are the variables all its workers share; `port` is that of the first worker, the second has the next one.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        port: int,
        session: aiohttp.ClientSession,
        postgres: "asyncpg.Pool[asyncpg.Record]",
    ) -> None:
        self.postgres = postgres
        self.session = session
        self.environ = environ
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.worker = self._worker("e2e-0", folder, port)
        self._other = self._worker("e2e-1", folder, port + 1)
        self._prefix = environ["KAFKA_TOPIC_PREFIX"]
        self._servers = environ["KAFKA_BOOTSTRAP_SERVERS"]

    def _worker(self, name: str, folder: Path, port: int) -> Worker:
        return Worker(name, "bridge_app", folder, {**self.environ, "BRIDGE_WEB_PORT": str(port)}, options=())

    async def is_ready(self, port: int | None = None) -> bool:
        """Tell whether a worker answers `/ready` with 200; the first one when no port is given."""
        try:
            async with self.session.get(f"http://127.0.0.1:{port or self.port}/ready") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    @asynccontextmanager
    async def second_worker(self, **environ: str) -> AsyncIterator[Worker]:
        """Run a second worker beside the first, with further variables; it leaves by SIGTERM."""
        self._other.start(**environ)
        try:
            await self.eventually(lambda: self.is_ready(self.port + 1), within=30)
            yield self._other
        finally:
            assert await self._other.terminate() == 0

    async def consul_service(self, service_id: str) -> dict[str, Any] | None:
        """Return what Consul's agent knows of a service, by its id."""
        url = f"http://{self.environ['CONSUL_HOST']}:{self.environ['CONSUL_PORT']}/v1/agent/services"
        async with self.session.get(url) as response:
            services: dict[str, dict[str, Any]] = orjson.loads(await response.read())
            return services.get(service_id)

    def topic(self, name: str) -> str:
        return self._prefix + name

    async def post(
        self, path: str, body: Any, headers: dict[str, str] | None = None, *, port: int | None = None
    ) -> tuple[int, dict[str, Any]]:
        """POST a JSON body, to the first worker when no port is given; return status and decoded answer."""
        return await self._send("POST", path, body, headers, port)

    async def put(
        self, path: str, body: Any, headers: dict[str, str] | None = None, *, port: int | None = None
    ) -> tuple[int, dict[str, Any]]:
        """PUT a JSON body, as `post` does."""
        return await self._send("PUT", path, body, headers, port)

    async def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str] | None, port: int | None
    ) -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        all_headers = {"Content-Type": "application/json", **(headers or {})}
        url = f"http://127.0.0.1:{port or self.port}{path}"
        async with self.session.request(method, url, data=data, headers=all_headers) as response:
            return response.status, orjson.loads(await response.read())

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """GET a path; return status and decoded answer."""
        async with self.session.get(self.url + path) as response:
            return response.status, orjson.loads(await response.read())

    async def eventually(self, attempt: Callable[[], Awaitable[T | None]], within: float) -> T:
        """Return the first true result of `attempt`, tried again and again for `within` seconds; else fail."""
        return await eventually(attempt, getattr(attempt, "__name__", "a result"), seconds=within)

    @asynccontextmanager
    async def tail(self, *topics: str) -> AsyncIterator[Tail]:
        """Read topics from their end on."""
        consumer = AIOKafkaConsumer(*map(self.topic, topics), bootstrap_servers=self._servers, group_id=None)
        await consumer.start()
        try:
            await consumer.seek_to_end()
            await asyncio.gather(*(consumer.position(tp) for tp in consumer.assignment()))
            yield Tail(consumer, self._prefix)
        finally:
            await consumer.stop()
