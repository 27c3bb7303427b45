"""What a test does to a worker and its broker, and what it sees of them: answers over HTTP, events on the topic."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import NodeNotReadyError

from tests.lab.cluster import Cluster
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

PORT = 24066
#: An event of no test.
TRIAL = orjson.dumps(
    {
        "event_id": "00000000-0000-4000-8000-000000000000",
        "event_type": "trial",
        "payload": {"service_info": {"name": "trial"}},
    }
)
TOPIC = "hooks.service_lifecycle"
ROUTE = "/hooks/service/lifecycle"


class Answer(NamedTuple):
    """An answered POST of a hook; `seconds` is how long the answer took."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]
    seconds: float

    @property
    def event_id(self) -> str:
        return str(self.body["data"]["hook_id"]).removeprefix("hook_")

    @property
    def is_published(self) -> bool:
        return bool(self.body["data"]["event_published"])


class Outage:
    """A worker on `PORT`, and its broker `kafka`."""

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        kafka: OwnServer[ProxiedKafka],
        session: aiohttp.ClientSession,
    ) -> None:
        self.kafka = kafka
        self.worker = Worker("outage", "bridge_app", folder, {**environ, "BRIDGE_WEB_PORT": str(PORT)}, options=())
        self.outbox = self.worker.data_folder / "outbox"
        self._session = session
        self._url = f"http://127.0.0.1:{PORT}"

    async def start(self, **environ: str | int) -> None:
        """Start the worker on a running broker; return when events go straight to Kafka."""
        self.worker.start(**environ)
        await eventually(self.is_ready, "the worker is ready", seconds=60)
        await eventually(self.publishes, "events go straight to Kafka")

    async def post(self, number: int, *, key: str = "orders", **fields: Any) -> Answer:
        """POST a hook; `number` is found again in its event."""
        return await self.post_to(ROUTE, _hook(number, key, fields))

    async def post_batch(self, keys: Mapping[int, str]) -> list[bool]:
        """POST hooks at once, by their numbers and keys; return of each whether it is published."""
        answer = await self.post_to("/hooks/batch", [_hook(number, key, {}) for number, key in keys.items()])
        assert answer.status == 200
        return [result["event_published"] for result in answer.body["data"]["results"]]

    async def post_to(self, route: str, body: Any) -> Answer:
        """POST any body."""
        started = time.monotonic()
        async with self._session.post(self._url + route, json=body) as response:
            answer = orjson.loads(await response.read())
            return Answer(response.status, answer, response.headers, time.monotonic() - started)

    async def health(self) -> dict[str, Any]:
        """Return the data of `/health`."""
        async with self._session.get(self._url + "/health") as response:
            assert response.status == 200
            data: dict[str, Any] = orjson.loads(await response.read())["data"]
            return data

    async def pending(self) -> int:
        """Return how many events wait."""
        return int((await self.health())["checks"]["outbox"]["pending"])

    async def is_ready(self) -> bool:
        return await self.answers("/ready")

    async def answers(self, path: str) -> bool:
        """Tell whether a GET is answered with 200."""
        try:
            async with self._session.get(self._url + path) as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def events(self, count: int, *, seconds: float = 30.0) -> list[dict[str, Any]]:
        """Return the events of the hooks that tests posted, each once, in the order of the topic, when so many are
        there; those of one key lie in one partition.
        """
        found: list[dict[str, Any]] = []

        async def complete() -> bool:
            try:
                found[:] = await self._read()
            except NodeNotReadyError:  # a broker that hung is no node of its cluster for a moment
                return False
            return len(found) >= count

        await eventually(complete, f"{count} events are on the topic", seconds=seconds)
        return found

    async def until_kafka_takes_records(self) -> None:
        """Return when the broker, which answers before its partitions have leaders, has taken a record."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.environ["KAFKA_BOOTSTRAP_SERVERS"], acks="all")
        await producer.start()
        try:
            for partition in sorted(await producer.partitions_for(TOPIC)):
                await producer.send_and_wait(TOPIC, TRIAL, partition=partition)
        finally:
            await producer.stop()

    def logged(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the lines of the worker's log with this event and these fields."""
        lines = [orjson.loads(line) for line in self.worker.log.splitlines() if line.startswith("{")]
        return [line for line in lines if {"event": event, **fields}.items() <= line.items()]

    async def _read(self) -> list[dict[str, Any]]:
        cluster = Cluster(self.kafka.environ["KAFKA_BOOTSTRAP_SERVERS"])
        await cluster.start()
        try:
            exists = bool(await cluster.partitions(TOPIC))
            events = [orjson.loads(record.value) for record in await cluster.read(TOPIC)] if exists else []
        finally:
            await cluster.stop()
        by_id = {event["event_id"]: event for event in reversed(events)}
        first = [by_id.pop(event["event_id"]) for event in events if event["event_id"] in by_id]
        return [event for event in first if event["payload"]["service_info"]["name"] != "trial"]

    async def publishes(self) -> bool:
        """Tell whether an event goes straight to Kafka."""
        answer = await self.post(-1, key="trial")
        return answer.status == 200 and answer.is_published


def _service(key: str, number: int) -> dict[str, Any]:
    return {"name": key, "version": "1.0.0", "instance_id": f"{key}-{number}", "process_id": number}


def _hook(number: int, key: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {"hook_type": "service_started", "service_info": _service(key, number), "metadata": metadata}


def numbers(events: Sequence[Mapping[str, Any]], key: str = "orders") -> list[int]:
    """Return the numbers of the hooks of one key, in the order of their events."""
    services = [event["payload"]["service_info"] for event in events]
    return [service["process_id"] for service in services if service["name"] == key]
