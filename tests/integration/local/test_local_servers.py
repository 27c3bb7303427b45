"""Each server on its own: what it keeps over a crash, what it says of itself, and that it is found again."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from deploy.local.consul import Consul
from deploy.local.errors import PortTaken, ServerFailed
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from deploy.local.server import Server

# Below the ports that systems give to outgoing connections (32768 and up on Linux): those come and go.
KAFKA_PORTS = {"port": 22092, "controller_port": 22093}
POSTGRES_PORT = 22432
CONSUL_PORTS = {"port": 22500, "rpc_port": 22300, "serf_port": 22301}


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path, port=POSTGRES_PORT)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    server = Kafka(tmp_path, **KAFKA_PORTS)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def consul(tmp_path: Path) -> Iterator[Consul]:
    server = Consul(tmp_path, **CONSUL_PORTS)
    server.start()
    yield server
    server.kill()


async def query(server: Postgres, sql: str) -> Any:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_postgres_keeps_what_was_committed_over_a_crash(postgres: Postgres) -> None:
    await query(postgres, "CREATE TABLE kept AS SELECT 42 AS n")
    password = postgres.password

    await asyncio.to_thread(postgres.kill)
    assert not postgres.alive()
    assert not postgres.is_ready()
    await asyncio.to_thread(postgres.start)

    assert await query(postgres, "SELECT n FROM kept") == 42
    assert postgres.password == password


async def test_postgres_is_set_up_as_documented(postgres: Postgres) -> None:
    assert await query(postgres, "SHOW server_encoding") == "UTF8"
    assert await query(postgres, "SHOW timezone") == "UTC"
    assert await query(postgres, "SHOW max_connections") == "200"
    assert await query(postgres, "SHOW fsync") == "on"
    assert await query(postgres, "SELECT current_database()") == "omninode_bridge"
    assert await query(postgres, "SELECT lower('ÄÖ')") in ("äö", "ÄÖ")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host=postgres.host, port=postgres.port, user=postgres.user, password="guess")


async def test_the_password_of_postgres_is_for_its_owner_only(postgres: Postgres) -> None:
    assert (postgres.folder / "password").stat().st_mode & 0o777 == 0o600


async def test_a_paused_postgres_keeps_its_connections_and_answers_nothing(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.dsn)
    try:
        postgres.pause()
        assert postgres.alive()
        assert not await asyncio.to_thread(postgres.is_ready)
        answer = asyncio.ensure_future(connection.fetchval("SELECT 1"))
        assert not (await asyncio.wait([answer], timeout=0.5))[0]

        postgres.resume()

        assert await asyncio.wait_for(answer, 20) == 1
    finally:
        await connection.close()


def test_a_server_that_an_earlier_supervisor_left_is_reused(postgres: Postgres, tmp_path: Path) -> None:
    later = Postgres(tmp_path, port=POSTGRES_PORT)

    later.start()

    assert later.pid == postgres.pid
    later.stop()
    assert not postgres.alive()


def test_a_left_server_that_does_not_answer_is_replaced(postgres: Postgres, tmp_path: Path) -> None:
    left = postgres.pid
    postgres.pause()
    later = Postgres(tmp_path, port=POSTGRES_PORT)

    later.start()

    assert later.pid != left
    assert later.is_ready()
    later.stop()


def test_a_left_server_on_other_ports_is_replaced(postgres: Postgres, tmp_path: Path) -> None:
    later = Postgres(tmp_path, port=POSTGRES_PORT + 1)

    later.start()

    assert not postgres.is_ready()
    assert later.is_ready()
    later.stop()


@pytest.mark.parametrize("server_class", [Kafka, Postgres])
def test_a_taken_port_is_named_before_anything_is_started(server_class: type[Server], tmp_path: Path) -> None:
    port = KAFKA_PORTS["controller_port"] if server_class is Kafka else POSTGRES_PORT
    server = Kafka(tmp_path, **KAFKA_PORTS) if server_class is Kafka else Postgres(tmp_path, port=POSTGRES_PORT)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortTaken, match=f"port {port} .*{server.name}"):
        server.start()

    assert not server.folder.exists()


def test_a_server_that_cannot_start_is_shown_with_the_end_of_its_log(postgres: Postgres) -> None:
    postgres.stop()
    configuration = next(postgres.folder.glob("data-*/postgresql.conf"))
    configuration.write_text("no_such_setting = 1\n")

    with pytest.raises(ServerFailed, match="no_such_setting"):
        postgres.start()

    assert not postgres.alive()


async def test_kafka_keeps_what_it_acknowledged_over_a_crash_and_makes_no_topic_by_itself(kafka: Kafka) -> None:
    await create_topic(kafka, "kept")
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all", request_timeout_ms=1000)
    await producer.start()
    try:
        await producer.send_and_wait("kept", b"value")
        with pytest.raises(UnknownTopicOrPartitionError):
            await producer.partitions_for("never.created")
    finally:
        await producer.stop()

    await asyncio.to_thread(kafka.kill)
    assert not kafka.is_ready()
    await asyncio.to_thread(kafka.start)

    assert await first_value(kafka, "kept") == b"value"
    kafka.pause()
    assert not await asyncio.to_thread(kafka.is_ready)
    kafka.resume()
    assert await first_value(kafka, "kept") == b"value"


async def create_topic(kafka: Kafka, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def first_value(kafka: Kafka, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        record = await asyncio.wait_for(consumer.getone(), 30)
        assert record.value is None or isinstance(record.value, bytes)
        return record.value
    finally:
        await consumer.stop()


def test_consul_keeps_what_was_written_over_a_crash(consul: Consul) -> None:
    assert request(consul, "PUT", "/v1/kv/kept", "value") == (200, "true")

    consul.kill()
    assert not consul.is_ready()
    consul.start()

    assert request(consul, "GET", "/v1/kv/kept?raw") == (200, "value")
    assert consul.url == f"http://127.0.0.1:{CONSUL_PORTS['port']}"


def request(consul: Consul, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(consul.host, consul.port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip()
    finally:
        connection.close()
