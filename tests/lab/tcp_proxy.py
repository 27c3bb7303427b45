"""A TCP proxy in front of a server, whose network the test decides on: slow, narrow, torn, silent or cut."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
#: Chunks on their way in one direction of a connection; beyond it the sender is not read.
CHUNKS_IN_FLIGHT = 64
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Network:
    """What a connection is like; each direction for itself, also those that are open already.

    `latency` is what a byte takes in one direction in seconds, give or take `jitter`: the round trip takes two of it.
    `bytes_per_second` None is unlimited. `piece_bytes` is how many bytes leave at a time. A `silent` network takes
    connections and bytes and delivers nothing until it is another one.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bytes_per_second: int | None = None
    piece_bytes: int = CHUNK_BYTES
    silent: bool = False


PERFECT = Network()
SILENT = Network(silent=True)


class TcpProxy:
    """`async with TcpProxy(port=…, target=…).running() as proxy`; what comes to `port` goes to `target` and back.

    Both are ports of 127.0.0.1. `become` changes the network. `rng` draws the jitter.
    """

    def __init__(self, *, port: int, target: int, rng: random.Random | None = None) -> None:
        self.port = port
        self._target = target
        self._rng = rng or random.Random()
        self._network = PERFECT
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], set[asyncio.StreamWriter]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator["TcpProxy"]:
        """Take connections until the body ends; those that are open then are reset."""
        await self.heal()
        try:
            yield self
        finally:
            await self.cut()

    def become(self, network: Network) -> None:
        """Change what the network is like, for what is sent from now on."""
        self._network = network
        if network.silent:
            self._speaking.clear()
        else:
            self._speaking.set()

    async def cut(self) -> None:
        """Reset every connection and refuse new ones, until `heal`."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self.reset()

    async def heal(self) -> None:
        """Take connections again, on a perfect network."""
        self.become(PERFECT)
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, HOST, self.port)

    async def reset(self) -> None:
        """Reset every connection (RST to both ends); new ones are taken."""
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ends = self._connections[task] = {writer}
        try:
            await self._speaking.wait()
            target_reader, target_writer = await asyncio.open_connection(HOST, self._target)
            ends.add(target_writer)
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._carry(reader, target_writer))
                directions.create_task(self._carry(target_reader, writer))
        except* (OSError, asyncio.CancelledError):
            for end in ends:
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                end.transport.abort()
        finally:
            for end in ends:
                end.close()
            del self._connections[task]

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one direction until its sender has ended it, and everything that was sent has arrived."""
        in_flight: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_IN_FLIGHT)
        async with asyncio.TaskGroup() as ends:
            ends.create_task(self._take(reader, in_flight))
            ends.create_task(self._deliver(in_flight, writer))

    async def _take(self, reader: asyncio.StreamReader, in_flight: asyncio.Queue[tuple[float, bytes]]) -> None:
        arrival = 0.0
        while True:
            chunk = await reader.read(CHUNK_BYTES)
            network = self._network
            delay = network.latency + self._rng.uniform(-network.jitter, network.jitter)
            arrival = max(arrival, asyncio.get_running_loop().time() + delay)  # TCP keeps the order
            await in_flight.put((arrival, chunk))
            if not chunk:
                return

    async def _deliver(self, in_flight: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            arrival, chunk = await in_flight.get()
            await asyncio.sleep(arrival - asyncio.get_running_loop().time())
            await self._speaking.wait()
            if not chunk:
                with suppress(OSError):  # the other end was faster
                    writer.write_eof()
                return
            await self._write(chunk, writer)

    async def _write(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        network = self._network
        for start in range(0, len(chunk), network.piece_bytes):
            piece = chunk[start : start + network.piece_bytes]
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(len(piece) / network.bytes_per_second if network.bytes_per_second else 0)
