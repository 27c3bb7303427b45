"""Servers of a test's own: stopped, killed, paused and started again, directly and through their proxy."""

import asyncio

import aiohttp
import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from deploy.local.consul import Consul
from deploy.local.postgres import Postgres
from tests.lab.cluster import Cluster
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.tcp_proxy import SILENT


async def send_one(servers: str, *, seconds: float = 2.0) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", request_timeout_ms=int(seconds * 1000))
    try:
        await producer.start()
        await producer.send_and_wait("kept", b"value")
    finally:
        await producer.stop()


async def test_a_kafka_of_ones_own_keeps_its_records_and_its_clients_stay_behind_the_proxy(
    own_kafka: OwnServer[ProxiedKafka],
) -> None:
    await own_kafka.start()
    cluster = Cluster(own_kafka.environ["KAFKA_BOOTSTRAP_SERVERS"])
    await cluster.start()
    proxied = own_kafka.proxied_environ["KAFKA_BOOTSTRAP_SERVERS"]
    try:
        await cluster.create("kept", 1)
        async with own_kafka.proxy() as proxy:
            await send_one(proxied)
            proxy.become(SILENT)
            with pytest.raises(KafkaError):
                await send_one(proxied)
        await send_one(cluster.servers)
        await own_kafka.kill()
        await own_kafka.start()
        assert [record.value for record in await cluster.read("kept")] == [b"value"] * 2
    finally:
        await cluster.stop()


async def test_a_postgres_of_ones_own_is_there_after_a_stop_and_silent_while_paused(
    own_postgres: OwnServer[Postgres],
) -> None:
    await own_postgres.start()
    await own_postgres.stop()
    await own_postgres.start()
    async with own_postgres.proxy() as proxy:
        connection = await asyncpg.connect(own_postgres.proxied_environ["POSTGRES_DSN"])
        assert proxy.connections == 1
        await own_postgres.pause()
        answer = asyncio.ensure_future(connection.fetchval("SELECT 1"))
        assert not (await asyncio.wait([answer], timeout=0.3))[0]
        await own_postgres.resume()
        assert await answer == 1
        await connection.close()


async def test_a_consul_of_ones_own_answers_directly_and_through_its_proxy(own_consul: OwnServer[Consul]) -> None:
    await own_consul.start()
    async with own_consul.proxy() as proxy, aiohttp.ClientSession() as session:
        for environ in (own_consul.environ, own_consul.proxied_environ):
            async with session.get(f"{environ['CONSUL_URL']}/v1/status/leader") as answer:
                assert answer.status == 200
        await proxy.cut()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{own_consul.proxied_environ['CONSUL_URL']}/v1/status/leader")
