"""The benchmark's HTTP client counts nothing but whole answers that say what they should."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import pytest

from tests.load.posts import ACCEPTED, Client, Refused, health_hook, start_hook
from tests.load.report import percentile

PIECE = 7


@asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[int]:
    """Serve the answer to every request, in small pieces; yield the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            orjson.loads(await reader.readexactly(length))
            for start in range(0, len(answer), PIECE):
                writer.write(answer[start : start + PIECE])
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-LENGTH: %d\r\n\r\n%s" % (status, len(body), body)


GOOD = answer(b'{"data":{%s}}' % ACCEPTED)


async def test_a_flood_asks_on_every_connection_until_its_time_is_over() -> None:
    async with serving(GOOD) as port, Client(port, 3) as client:
        calls = await client.flood((start_hook("s", str(n)) for n in itertools.count()), 0.2)

    assert len(calls) > 3
    assert all(call.seconds > 0 for call in calls)


async def test_a_flood_ends_when_every_request_is_answered() -> None:
    async with serving(GOOD) as port, Client(port, 3) as client:
        assert len(await client.flood(start_hook("s", str(n)) for n in range(10))) == 10


async def test_a_paced_call_begins_when_it_was_due() -> None:
    sent: dict[int, float] = {}
    async with serving(GOOD) as port, Client(port, 3) as client:
        calls = await client.pace([health_hook("s", str(n)) for n in range(10)], 100, sent.__setitem__)

    assert list(sent) == list(range(10))
    assert sorted(call.began for call in calls) == list(sent.values())
    assert sent[9] - sent[0] == pytest.approx(0.09)


@pytest.mark.parametrize(
    "wrong", [answer(ACCEPTED, b"503 Service Unavailable"), answer(b'{"event_published":false}')], ids=["503", "false"]
)
@pytest.mark.parametrize("way", ["flood", "pace"])
async def test_a_refused_hook_is_an_error_and_no_number(wrong: bytes, way: str) -> None:
    async with serving(wrong) as port, Client(port, 1) as client:
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "flood": lambda: client.flood(itertools.repeat(start_hook("s", "c")), 5),
            "pace": lambda: client.pace([start_hook("s", "c")], 100),
        }
        with pytest.raises(ExceptionGroup) as raised:
            await ways[way]()

    assert raised.group_contains(Refused, match="HTTP/1.1")


def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.5) == 7
