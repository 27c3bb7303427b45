"""A Kafka connection that was reset raises what the client takes for a lost connection, whatever the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest

import bridge_app.kafka_clients  # noqa: F401  # whoever makes a client imports it


async def _no_lookup(_connection: AIOKafkaConnection) -> None:
    """Connect to a server that is no broker."""


async def _written_to_after_a_reset() -> AIOKafkaConnection:
    """Return a connection whose transport is closed, and that was written to before it learned of that."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        connection = AIOKafkaConnection(*server.sockets[0].getsockname())
        await connection.connect()
        connection._writer.transport.abort()
        await asyncio.sleep(0)  # the transport is closed by now, and whoever reads from it not woken up yet
        with pytest.raises(KafkaConnectionError):
            await connection.send(ApiVersionRequest())
    return connection


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_request_on_a_connection_that_was_just_reset_finds_it_lost(
    monkeypatch: pytest.MonkeyPatch, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    monkeypatch.setattr(AIOKafkaConnection, "_do_version_lookup", _no_lookup)

    def run() -> AIOKafkaConnection:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(_written_to_after_a_reset())

    with ThreadPoolExecutor(1) as thread:  # where no other loop is
        connection = thread.submit(run).result()
    assert not connection.connected()
