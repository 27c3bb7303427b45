"""The network between a client and an echo server does what it is told to."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from tests.lab.tcp_proxy import SILENT, Network, TcpProxy
from tests.lab.waiting import eventually

PORT = 23995
ECHO = 23996

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]


@pytest.fixture
async def echo() -> AsyncIterator[asyncio.Server]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", ECHO) as server:
        yield server


@pytest.fixture
async def proxy(echo: asyncio.Server) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(port=PORT, target=ECHO).running() as running:
        yield running


@pytest.fixture
async def connect(proxy: TcpProxy) -> AsyncIterator[Connect]:
    """Make connections that are closed at the end."""
    writers = []

    async def open_one() -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        writers.append(writer)
        return reader, writer

    yield open_one
    for writer in writers:
        writer.close()


async def test_what_is_sent_arrives_in_order_and_ends_when_the_sender_ends_it(connect: Connect) -> None:
    reader, writer = await connect()
    sent = bytes(range(256)) * 4_000
    writer.write(sent)
    writer.write_eof()

    assert await reader.read(-1) == sent


async def test_a_slow_network_takes_its_latency_both_ways(proxy: TcpProxy, connect: Connect) -> None:
    reader, writer = await connect()
    proxy.become(Network(latency=0.1, jitter=0.02))
    started = time.monotonic()
    writer.write(b"x")

    assert await reader.readexactly(1) == b"x"
    assert time.monotonic() - started >= 0.16


async def test_a_narrow_network_takes_its_time_for_many_bytes(proxy: TcpProxy, connect: Connect) -> None:
    reader, writer = await connect()
    proxy.become(Network(bytes_per_second=100_000, piece_bytes=1_000))
    started = time.monotonic()
    writer.write(bytes(20_000))

    assert await reader.readexactly(20_000) == bytes(20_000)
    assert time.monotonic() - started >= 0.15


async def test_pieces_of_one_byte_arrive_one_by_one(proxy: TcpProxy, connect: Connect) -> None:
    reader, writer = await connect()
    proxy.become(Network(piece_bytes=1, bytes_per_second=1_000))
    writer.write(b"abcdef")

    chunks: list[bytes] = []
    while len(b"".join(chunks)) < 6:
        chunks.append(await reader.read(65536))

    assert len(chunks) > 3
    assert b"".join(chunks) == b"abcdef"


async def test_a_silent_network_takes_connections_and_delivers_when_it_speaks_again(
    proxy: TcpProxy, connect: Connect
) -> None:
    early_reader, early = await connect()
    proxy.become(SILENT)
    late_reader, late = await connect()
    early.write(b"early")
    late.write(b"late")
    answers = [asyncio.create_task(early_reader.readexactly(5)), asyncio.create_task(late_reader.readexactly(4))]
    assert not (await asyncio.wait(answers, timeout=0.3))[0]

    await proxy.heal()

    assert await asyncio.gather(*answers) == [b"early", b"late"]


async def test_a_reset_tears_what_is_open_and_lets_new_connections_in(proxy: TcpProxy, connect: Connect) -> None:
    reader, _ = await connect()
    await eventually(lambda: proxy.connections == 1, "the proxy has the connection")

    await proxy.reset()

    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    assert proxy.connections == 0
    reader, writer = await connect()
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"


async def test_a_cut_network_refuses_until_it_is_healed(proxy: TcpProxy, connect: Connect) -> None:
    reader, _ = await connect()
    await proxy.cut()
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    with pytest.raises(ConnectionRefusedError):
        await connect()

    await proxy.heal()

    reader, writer = await connect()
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"


async def test_a_connection_to_a_server_that_is_away_is_reset(
    echo: asyncio.Server, proxy: TcpProxy, connect: Connect
) -> None:
    echo.close()
    await echo.wait_closed()
    reader, _ = await connect()

    with pytest.raises(ConnectionResetError):
        await reader.read(1)
