"""A lean HTTP client: prepared requests over kept-alive connections, one in flight on each.

It must not be the bottleneck of what it measures: a request costs it one write, one search for the end of the answer
and one wake-up. `make bench` shows what it takes, beside a handler that does next to nothing.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, cast

import orjson

PATH = "/hooks/service/lifecycle"
ACCEPTED = b'"event_published":true'
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Refused(Exception):
    """An answer that is not the expected one; the message holds its beginning."""


class Call(NamedTuple):
    """One request and its answer: seconds on the monotonic clock."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def start_hook(service: str, correlation_id: str) -> bytes:
    """Return the request that reports the start of a service: the hook that causes the most work."""
    return _request(
        {
            "hook_type": "service_started",
            "correlation_id": correlation_id,
            "service_info": {**_info(service), "startup_time_ms": 2500, "capabilities": ["orders", "payments"]},
            "metadata": {"region": "eu-1"},
        }
    )


def health_hook(service: str, correlation_id: str) -> bytes:
    """Return the request that reports a change of a service's health: nothing is derived from it but an observation."""
    return _request(
        {
            "hook_type": "health_changed",
            "correlation_id": correlation_id,
            "service_info": _info(service),
            "health_transition": {"previous_status": "degraded", "current_status": "healthy"},
            "metadata": {"region": "eu-1"},
        }
    )


def _info(service: str) -> dict[str, Any]:
    return {"name": service, "version": "1.0.0", "instance_id": f"{service}-1", "environment": "bench"}


def _request(hook: dict[str, Any]) -> bytes:
    body = orjson.dumps(hook)
    head = (f"POST {PATH} HTTP/1.1", "Host: bench", "Content-Type: application/json", f"Content-Length: {len(body)}")
    return "\r\n".join((*head, "", "")).encode() + body


class Connection(asyncio.Protocol):
    """One connection; the next request is sent when the answer to the last one is there."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        head, found, body = self._received.partition(_HEAD_END)
        if found and len(body) >= _length(head) and self._answer is not None:
            answer, self._answer, self._received = self._answer, None, b""
            answer.set_result(head + _HEAD_END + body)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the server closed the connection"))

    async def post(self, request: bytes) -> bytes:
        """Send a request; return the whole answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Client:
    """So many connections to one server. `expected` must be in every answer, which must be a 200."""

    def __init__(self, port: int, connections: int, expected: bytes = ACCEPTED) -> None:
        self._port = port
        self._count = connections
        self._expected = expected
        self._connections: list[Connection] = []

    async def __aenter__(self) -> "Client":
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _transport, connection = await loop.create_connection(Connection, "127.0.0.1", self._port)
            self._connections.append(connection)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for connection in self._connections:
            connection.close()

    async def flood(self, requests: Iterator[bytes], seconds: float = float("inf")) -> list[Call]:
        """Send requests as fast as they are answered, each connection on its own, until they or the seconds are over.

        Raises:
            Refused: an answer was not as expected.
        """
        until = time.monotonic() + seconds
        calls: list[Call] = []

        async def work(connection: Connection) -> None:
            while (began := time.monotonic()) < until and (request := next(requests, None)) is not None:
                self._check(await connection.post(request))
                calls.append(Call(began, time.monotonic()))

        async with asyncio.TaskGroup() as group:
            for connection in self._connections:
                group.create_task(work(connection))
        return calls

    async def pace(
        self, requests: Sequence[bytes], per_second: float, on_sent: Callable[[int, float], None] | None = None
    ) -> list[Call]:
        """Send requests at an even pace, whether or not they are answered; a call begins when it was due.

        `on_sent` gets the number of each request and when it was due.

        Raises:
            Refused: an answer was not as expected.
        """
        idle: asyncio.Queue[Connection] = asyncio.Queue()
        for connection in self._connections:
            idle.put_nowait(connection)
        calls: list[Call] = []

        async def work(connection: Connection, request: bytes, due: float) -> None:
            self._check(await connection.post(request))
            calls.append(Call(due, time.monotonic()))
            idle.put_nowait(connection)

        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(requests):
                due = started + number / per_second
                await asyncio.sleep(due - time.monotonic())
                if on_sent is not None:
                    on_sent(number, due)
                group.create_task(work(await idle.get(), request, due))
        return calls

    def _check(self, answer: bytes) -> None:
        if not answer.startswith(b"HTTP/1.1 200") or self._expected not in answer:
            raise Refused(answer[:600].decode(errors="replace"))


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(_LENGTH)
    with suppress(ValueError):
        if at >= 0:
            return int(lower[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
    raise Refused(f"an answer without length: {head[:200]!r}")
