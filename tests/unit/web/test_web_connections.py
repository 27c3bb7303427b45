"""Connections that send no request, half of one or a slow one, and requests that take too long (conventions §5)."""

import asyncio
import re
from collections.abc import Callable

import aiohttp
import orjson
import pytest

from bridge_app.settings import Settings
from bridge_app.web import bodies, middleware, server
from tests.unit.web.asking import ROUTE, call
from tests.unit.web.conftest import StartWorker
from tests.unit.web.http_worker import MAX_BODY_BYTES, Worker

EXPECTING = b"POST /hooks/service/lifecycle HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n%s\r\n"


async def test_a_taken_port_ends_the_start_with_exit_code_2(
    worker: Worker, make_settings: Callable[..., Settings]
) -> None:
    port = int(worker.url.rpartition(":")[2])
    second = Worker(port, make_settings())

    await second.web.start_server()
    await second.web.stop_server()

    [error] = second.halted
    assert error.exit_code == 2
    assert str(error).startswith(f"BRIDGE_WEB_PORT={port}: cannot listen on 127.0.0.1")


async def test_a_connection_that_sends_half_a_request_holds_up_nobody(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(worker.url.rpartition(":")[2]))
    writer.write(b"POST /hooks/service/lifecycle HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    await writer.drain()

    response, _ = await call(http, "GET", "/health")

    assert response.status == 200
    writer.close()
    await writer.wait_closed()


async def test_conventions_08_a_body_that_does_not_come_in_time_is_given_up(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "SEND_SECONDS", 0.05)

    status, head, body = await raw(
        worker, b"POST " + ROUTE.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"
    )

    assert (status, orjson.loads(body)["error"]["code"]) == (400, "MALFORMED_BODY")
    assert b"\r\nConnection: close\r\n" in head


async def test_a_request_that_is_not_handled_in_time_is_503(
    worker: Worker, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "HANDLING_SECONDS", 0.05)
    worker.gate.clear()
    info = {"name": "s", "version": "1", "instance_id": "i"}

    response, answer = await call(http, "POST", ROUTE, json={"hook_type": "service_started", "service_info": info})

    assert (response.status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\n"])
async def test_a_connection_that_sends_no_request_is_closed(
    start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.05)
    worker = await start_worker()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(worker.url.rpartition(":")[2]))
    writer.write(sent)

    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def raw(worker: Worker, request: bytes) -> tuple[int, bytes, bytes]:
    """Send bytes and half-close; return status, head and body of the first answer that is final."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(worker.url.rpartition(":")[2]))
    writer.write(request)
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
        body = await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), head, body


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"no HTTP at all\r\n\r\n", 400, "MALFORMED_BODY"),
        (b"FROBNICATE /health HTTP/1.1\r\nHost: x\r\n\r\n", 400, "MALFORMED_BODY"),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400, "MALFORMED_BODY"),
        (b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400, "MALFORMED_BODY"),
        (
            b"POST /hooks/service/lifecycle HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nnot a chunk\r\n",
            400,
            "MALFORMED_BODY",
        ),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 70_000 + b"\r\n\r\n", 422, "VALIDATION_ERROR"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 422, "VALIDATION_ERROR"),
    ],
)
async def test_conventions_07_what_is_no_request_is_answered_in_the_common_form(
    worker: Worker, request_bytes: bytes, status: int, code: str
) -> None:
    found, head, body = await raw(worker, request_bytes)

    answer = orjson.loads(body)
    assert (found, answer["error"]["code"]) == (status, code)
    assert (answer["success"], answer["data"]) == (False, None)
    assert b"X-Request-ID: " + answer["metadata"]["request_id"].encode() in head
    assert f"traceparent: 00-{answer['error']['trace_id']}-".encode() in head


@pytest.mark.parametrize(
    ("length", "headers", "status"),
    [(MAX_BODY_BYTES + 1, b"", 413), (2, b"X-Large: " + b"x" * 20_000 + b"\r\n", 422)],
)
async def test_conventions_08_a_body_that_waits_to_be_asked_for_is_not_asked_for_in_vain(
    worker: Worker, length: int, headers: bytes, status: int
) -> None:
    found, head, _ = await raw(worker, EXPECTING % (length, headers))

    assert found == status
    assert b"\r\nConnection: close\r\n" in head


async def test_conventions_08_a_body_that_waits_to_be_asked_for_is_asked_for_once(worker: Worker) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(worker.url.rpartition(":")[2]))
    writer.write(EXPECTING % (2, b""))
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 422 ")
    assert b"Connection: close" not in head
    writer.close()
    await writer.wait_closed()
