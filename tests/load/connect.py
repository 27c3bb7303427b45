"""A standalone Kafka Connect with Debezium's JDBC sink, which stores a topic of ready rows in `event_logs`.

It runs with the best settings found for this work: the statement is an `INSERT … SELECT FROM UNNEST(…)` like the
bridge's, with batches as large, upserting by `event_id`; one task, so one connection, as everybody has.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from deploy.local import toolchain
from tests.lab.waiting import eventually
from tests.load.adapter_events import row_schema
from tests.load.connect_jars import Jars, fetched
from tests.load.contest import ContestFailed
from tests.load.deployment import Server

PORT = 27183
NAME = "rows"
JSON = {"content-type": "application/json"}
BATCH = 1000
START_SECONDS = 120.0
ANSWER_SECONDS = 30.0
#: Its tasks are looked at no more often: the answer costs the measured process some milliseconds.
LOOK_SECONDS = 1.0
# The heap that Connect's own script gives it.
HEAP = ("-Xms256m", "-Xmx2g")
OPTIONS = ("-Duser.timezone=UTC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
MAIN = "org.apache.kafka.connect.cli.ConnectStandalone"


class Connect(Server):
    """The process, and its only connector."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        super().__init__(process.pid, PORT)
        self._process = process
        self._log = log
        self._looked = time.monotonic()

    async def check(self) -> None:
        """Raise ContestFailed when the process has ended or a task has failed."""
        if self._process.returncode is not None:
            raise ContestFailed(f"Kafka Connect ended:\n{self._log.read_text(errors='replace')[-4000:]}")
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            for task in await self._tasks():
                if task["state"] == "FAILED":
                    raise ContestFailed(f"the JDBC sink failed:\n{task['trace'][:4000]}")
            self._looked = time.monotonic()

    async def pause(self) -> None:
        """Return when the tasks take no more records; they keep their partitions and connections."""

        async def paused() -> bool:
            return all(task["state"] == "PAUSED" for task in await self._tasks())

        await self._ask("PUT", "/pause")
        await eventually(paused, "the sink is paused", seconds=ANSWER_SECONDS)

    async def resume(self) -> None:
        await self._ask("PUT", "/resume")

    async def _tasks(self) -> list[dict[str, Any]]:
        """Return the state of each task; none while Connect starts."""
        try:
            return list((await self._ask("GET", "/status"))["tasks"])
        except (OSError, aiohttp.ClientError):
            return []

    async def _ask(self, method: str, path: str) -> Any:
        url = f"http://127.0.0.1:{PORT}/connectors/{NAME}{path}"
        timeout = aiohttp.ClientTimeout(ANSWER_SECONDS)
        async with aiohttp.request(method, url, headers=JSON, timeout=timeout, raise_for_status=True) as answer:
            return orjson.loads(await answer.read() or b"null")


@asynccontextmanager
async def connected(servers: str, topic: str, group: str, environ: Mapping[str, str]) -> AsyncIterator[Connect]:
    """Run Connect until the end of the block; `environ` names the database, which has its tables."""
    jars = await asyncio.to_thread(fetched)
    with tempfile.TemporaryDirectory(prefix="bench-connect-") as name:
        folder = Path(name)
        log, worker, connector = folder / "log", folder / "worker.properties", folder / "connector.json"
        _write_properties(worker, worker_properties(servers, folder, jars))
        connector.write_bytes(orjson.dumps(connector_properties(topic, group, environ)))
        java = (toolchain.java(), *HEAP, *OPTIONS, "-cp", jars.class_path, MAIN, str(worker), str(connector))
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(*java, stdout=output, stderr=output)
        try:
            yield Connect(process, log)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def worker_properties(servers: str, folder: Path, jars: Jars) -> dict[str, str]:
    return {
        "bootstrap.servers": servers,
        "listeners": f"http://127.0.0.1:{PORT}",
        "plugin.path": str(jars.plugins),
        "plugin.discovery": "service_load",
        "offset.storage.file.filename": str(folder / "offsets"),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "connector.client.config.override.policy": "All",
    }


def connector_properties(topic: str, group: str, environ: Mapping[str, str]) -> dict[str, str]:
    server, database = f"{environ['POSTGRES_HOST']}:{environ['POSTGRES_PORT']}", environ["POSTGRES_DB"]
    return {
        "name": NAME,
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": "1",
        "topics": topic,
        "consumer.override.group.id": group,
        "consumer.override.auto.offset.reset": "earliest",
        "consumer.override.max.poll.records": str(BATCH),
        "connection.url": f"jdbc:postgresql://{server}/{database}?reWriteBatchedInserts=true",
        "connection.username": environ["POSTGRES_USER"],
        "connection.password": environ.get("POSTGRES_PASSWORD", ""),
        "collection.name.format": "event_logs",
        "quote.identifiers": "true",
        "schema.evolution": "none",
        "insert.mode": "upsert",
        "primary.key.mode": "record_value",
        "primary.key.fields": "event_id",
        "batch.size": str(BATCH),
        "dialect.postgres.unnest.insert.enabled": "true",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "true",
        "value.converter.schema.content": orjson.dumps(row_schema()).decode(),
        "transforms": "place",
        "transforms.place.type": "org.apache.kafka.connect.transforms.InsertField$Value",
        "transforms.place.topic.field": "topic",
        "transforms.place.partition.field": "partition",
        "transforms.place.offset.field": "offset",
        "transforms.place.timestamp.field": "kafka_timestamp",
    }


def _write_properties(path: Path, properties: Mapping[str, str]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
