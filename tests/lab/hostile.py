"""HTTP clients that mean no good, or are merely slow: raw connections to a worker.

`python -m tests.lab.hostile PORT BYTES COUNT` sends so many bodies at once and prints the statuses of the answers. It
is a process of its own, so that whoever measures meanwhile does not measure the sending.
"""

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from tests.lab.worker import PROJECT

HOST = "127.0.0.1"
PATH = "/hooks/service/lifecycle"
CHUNK = b"x" * 65536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def head(length: int | None) -> bytes:
    """Return the head of a POST whose body has this length, or comes in chunks."""
    how = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{how}\r\n\r\n".encode()


async def big_body(port: int, size: int, *, chunked: bool) -> int:
    """Send a body of so many bytes until the answer comes or the connection ends; return the answer's status."""
    reader, writer = await asyncio.open_connection(HOST, port)
    sending = asyncio.create_task(_send_body(writer, size, chunked=chunked))
    try:
        line = await asyncio.wait_for(reader.readline(), 60)
        return int(line.split()[1])
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()


async def big_bodies(port: int, size: int, count: int) -> list[int]:
    """Send so many bodies at once, every other one in chunks, from another process; return the statuses."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.lab.hostile", str(port), str(size), str(count)),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return [int(status) for status in output.split()]


async def _send_body(writer: asyncio.StreamWriter, size: int, *, chunked: bool) -> None:
    writer.write(head(None if chunked else size))
    for _ in range(size // len(CHUNK)):
        writer.write(f"{len(CHUNK):x}\r\n".encode() + CHUNK + b"\r\n" if chunked else CHUNK)
        await writer.drain()


async def disconnect(port: int) -> None:
    """Send half a request, and reset the connection."""
    _, writer = await asyncio.open_connection(HOST, port)
    writer.write(head(1000) + b"{")
    await writer.drain()
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


class Crowd:
    """Connections that stay open until `leave`; the worker may close them before."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def idle(self, count: int) -> None:
        """Open connections that say nothing."""
        for _ in range(count):
            _, writer = await asyncio.open_connection(HOST, self._port)
            self._writers.append(writer)

    async def slow(self, count: int) -> None:
        """Open connections that send a body, one byte a second."""
        await self._each(count, self._dribble)

    async def unread(self, count: int, path: str) -> None:
        """Open connections that ask for much, again and again, and read nothing of it."""

        async def ask(writer: asyncio.StreamWriter) -> None:
            while True:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                await writer.drain()
                await asyncio.sleep(0.1)

        await self._each(count, ask)

    async def leave(self) -> None:
        """Close everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()

    async def _dribble(self, writer: asyncio.StreamWriter) -> None:
        writer.write(head(100_000))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(1)

    async def _each(self, count: int, act: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
        for _ in range(count):
            _, writer = await asyncio.open_connection(HOST, self._port)
            self._writers.append(writer)
            self._tasks.append(asyncio.create_task(_until_closed(act, writer)))


async def _until_closed(act: Callable[[asyncio.StreamWriter], Awaitable[Any]], writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # the worker has had enough of it
        await act(writer)


async def _main(port: int, size: int, count: int) -> None:
    bodies = (big_body(port, size, chunked=number % 2 == 0) for number in range(count))
    print(*await asyncio.gather(*bodies))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of the values do not exceed."""
    return sorted(values)[max(0, round(len(values) * percent / 100) - 1)]


if __name__ == "__main__":
    asyncio.run(_main(*map(int, sys.argv[1:])))
