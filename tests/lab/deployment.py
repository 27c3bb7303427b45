"""The bridge as a whole, to be maltreated: workers on a topic prefix, a database and ports of their own."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import asyncpg
import orjson
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from tests.lab.cluster import Cluster
from tests.lab.services import SHIFT
from tests.lab.waiting import eventually
from tests.lab.worker import Worker
from tests.lab.workload import Targets

HOOKS = "hooks.service_lifecycle"
OBSERVATIONS = "intelligence.observations"
PATTERNS = "intelligence.patterns"
PERFORMANCE = "intelligence.performance"
EXTRA = "foreign"

ENVIRONMENT = "chaos"
#: The ports of the workers, in the order in which they are made.
FIRST_PORT = 27166 + SHIFT
PARTITIONS = 2
#: How long after a start it is confirmed: short, so that a test need not wait for the default of 8 s.
CONFIRM_SECONDS = 2
#: Of each worker, when a trial fails.
LOG_LINES = 30
#: A worker that runs with the kill points of `tests.lab.struck` in it.
STRUCK = "tests.lab.struck"


class Deployment:
    """`async with Deployment(folder, services) as deployment`. `services` are the variables that say where they are.

    `environ` are further variables of all its workers.
    """

    def __init__(
        self,
        folder: Path,
        services: Mapping[str, str],
        environ: Mapping[str, str] | None = None,
        *,
        partitions: int = PARTITIONS,
    ) -> None:
        unique = uuid4().hex[:8]
        self.prefix = f"chaos-{unique}."
        self.database = f"chaos_{unique}"
        self.services = dict(services)
        self.cluster = Cluster(services["KAFKA_BOOTSTRAP_SERVERS"])
        self.extra_topic = self.prefix + EXTRA
        self.partitions = partitions
        self.workers: list[Worker] = []
        self.agents_group = f"{self.prefix}omninode-bridge"
        self.adapter_group = f"{self.prefix}database-adapter-effect-group"
        self.session: aiohttp.ClientSession
        self.sql: asyncpg.Pool[asyncpg.Record]
        self._folder = folder
        self._environ = {
            **os.environ,
            **services,
            "POSTGRES_DB": self.database,
            "KAFKA_TOPIC_PREFIX": self.prefix,
            "KAFKA_TOPIC_PARTITIONS": str(partitions),
            "ADAPTER_EXTRA_TOPICS": self.extra_topic,
            "INTELLIGENCE_STARTUP_CONFIRM_SECONDS": str(CONFIRM_SECONDS),
            "ENVIRONMENT": ENVIRONMENT,
            "LOG_FORMAT": "json",
            **(environ or {}),
        }

    async def __aenter__(self) -> "Deployment":
        await self.cluster.start()
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        await self._administer(f'CREATE DATABASE "{self.database}"')
        self.sql = await asyncpg.create_pool(self.dsn(self.database), min_size=0)
        await self.cluster.create(self.extra_topic, self.partitions, max_message_bytes=str(2 * 1024 * 1024))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.destroy()
            if error is not None and worker.log_path.exists():
                print(f"-- the log of {worker.name} ends with", *worker.log.splitlines()[-LOG_LINES:], sep="\n")
        await self.session.close()
        self.sql.terminate()
        await self._administer(f'DROP DATABASE "{self.database}" WITH (FORCE)')
        await self.cluster.clear(self.prefix)
        await self.cluster.stop()

    def dsn(self, database: str) -> str:
        services = self.services
        user, password = services["POSTGRES_USER"], quote(services.get("POSTGRES_PASSWORD", ""), safe="")
        return f"postgresql://{user}:{password}@{services['POSTGRES_HOST']}:{services['POSTGRES_PORT']}/{database}"

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn(self.services.get("POSTGRES_DB", "postgres")))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    # -- workers

    def worker(self, name: str, *, module: str = "bridge_app", **environ: str | int) -> Worker:
        """Return a new worker, not started; its port is the next one."""
        texts = {variable: str(value) for variable, value in environ.items()}
        port = {"BRIDGE_WEB_PORT": str(FIRST_PORT + len(self.workers))}
        worker = Worker(name, module, self._folder, {**self._environ, **port, **texts}, options=())
        self.workers.append(worker)
        return worker

    def url(self, worker: Worker) -> str:
        return f"http://127.0.0.1:{FIRST_PORT + self.workers.index(worker)}"

    def targets(self) -> Targets:
        """Return where a workload goes: to all workers that there are now."""
        servers = self.services["KAFKA_BOOTSTRAP_SERVERS"]
        return Targets([self.url(worker) for worker in self.workers], servers, self.extra_topic)

    async def health(self, worker: Worker) -> dict[str, Any]:
        """Return the data of `/health`, empty while the worker does not answer."""
        return await self._data(worker, "/health")

    async def answers(self, worker: Worker) -> bool:
        """Tell whether a worker's web server is up."""
        return bool(await self.health(worker))

    async def _data(self, worker: Worker, path: str) -> dict[str, Any]:
        try:
            async with self.session.get(self.url(worker) + path) as response:
                found: dict[str, Any] = orjson.loads(await response.read())["data"] or {}
                return found
        except (aiohttp.ClientError, TimeoutError):
            return {}

    async def post(self, worker: Worker, hook: Mapping[str, Any]) -> dict[str, Any]:
        """Send a lifecycle hook; return the data of the answer, which must be 200."""
        url = f"{self.url(worker)}/hooks/service/lifecycle"
        async with self.session.post(url, json=hook) as response:
            answer = orjson.loads(await response.read())
            assert response.status == 200, answer
            data: dict[str, Any] = answer["data"]
            return data

    async def produce(self, topic: str, *values: bytes) -> None:
        """Send records without keys."""
        producer = AIOKafkaProducer(bootstrap_servers=self.cluster.servers)
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(topic, value)
        finally:
            await producer.stop()

    async def until_rows(self, condition: str, count: int, *, seconds: float = 30.0) -> None:
        """Wait until so many events are stored that meet a condition."""

        async def there() -> bool:
            try:
                return bool(await self.sql.fetchval(f"SELECT count(*) FROM event_logs WHERE {condition}") == count)
            except asyncpg.UndefinedTableError:
                return False

        await eventually(there, f"{count} rows with {condition}", seconds=seconds)

    async def until_ready(self, *workers: Worker, seconds: float = 60.0) -> None:
        """Wait until `/ready` says so for each of them."""
        for worker in workers:

            async def ready(worker: Worker = worker) -> bool:
                assert worker.is_running, f"{worker.name} has ended; see {worker.log_path}"
                return (await self._data(worker, "/ready")).get("ready") is True

            await eventually(ready, f"{worker.name} is ready; see {worker.log_path}", seconds=seconds)

    async def until_status(self, worker: Worker, status: str, *, seconds: float = 60.0) -> dict[str, Any]:
        """Wait until `/health` has a status; return its data."""
        found: dict[str, Any] = {}

        async def has() -> bool:
            nonlocal found
            found = await self.health(worker)
            return found.get("status") == status

        await eventually(has, f"{worker.name} is {status}; see {worker.log_path}", seconds=seconds)
        return found

    async def expel(self, worker: Worker) -> None:
        """Take a killed worker (of `STRUCK`) out of both groups at once, instead of after its session."""
        await self.cluster.expel(self.agents_group, worker.name)
        await self.cluster.expel(self.adapter_group, f"omninode-bridge-{worker.name}-adapter")

    # -- progress

    def topic(self, name: str) -> str:
        return self.prefix + name

    async def ends(self, *names: str) -> dict[TopicPartition, int]:
        """Return the end offsets of topics, by their names without prefix."""
        return await self.cluster.ends(*map(self.topic, names))

    async def until_committed(self, group: str, ends: Mapping[TopicPartition, int], *, seconds: float) -> None:
        """Wait until a group has committed up to these ends; a broker that is not back yet is waited for."""

        async def all_committed() -> bool:
            try:
                return not behind(await self.cluster.committed(group), ends)
            except KafkaError:
                return False

        await eventually(all_committed, f"{group} commits all of {sorted(ends)}", seconds=seconds)


def behind(committed: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> Iterable[TopicPartition]:
    """Return the partitions that are not committed up to their end."""
    return [tp for tp, end in ends.items() if committed.get(tp, 0) < end]
