"""What all routes share: ids, the wrapper, the order of checks, limits, the stop (conventions §4, §5)."""

import asyncio
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest

from bridge_app import __version__
from bridge_app.settings import Settings
from bridge_app.web import bodies, middleware, server
from tests.unit.web.conftest import StartWorker
from tests.unit.web.http_worker import MAX_BODY_BYTES, Worker

ROUTE = "/hooks/service/lifecycle"
JSON = {"Content-Type": "application/json"}
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def call(
    http: aiohttp.ClientSession, method: str, path: str, **options: Any
) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
    async with http.request(method, path, **options) as response:
        return response, await response.json()


async def test_conventions_07_a_failure_has_code_message_details_and_trace(http: aiohttp.ClientSession) -> None:
    response, answer = await call(
        http, "GET", "/nowhere", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-ID": "r-1"}
    )

    assert response.status == 404
    assert answer["error"] == {
        "code": "NOT_FOUND",
        "message": "There is no /nowhere",
        "details": {},
        "trace_id": TRACE,
    }
    assert answer["metadata"] == {
        "request_id": "r-1",
        "timestamp": "2024-01-15T10:30:00.000000Z",
        "processing_time_ms": 0.0,
        "version": __version__,
    }
    assert response.headers["X-Request-ID"] == "r-1"
    assert response.headers["traceparent"].startswith(f"00-{TRACE}-")


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "x",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b7169203331-01-more",
        f"00-{TRACE}-b7ad6b7169203331",
    ],
)
async def test_a_malformed_traceparent_starts_a_new_trace(http: aiohttp.ClientSession, traceparent: str) -> None:
    response, _ = await call(http, "GET", "/health", headers={"traceparent": traceparent})

    trace_id = response.headers["traceparent"].split("-")[1]
    assert len(trace_id) == 32
    assert trace_id not in ("0" * 32, TRACE)


@pytest.mark.parametrize("traceparent", [f"00-{TRACE}-b7ad6b7169203331-00", f"01-{TRACE}-b7ad6b7169203331-01-more"])
async def test_a_trace_goes_on_unsampled_and_in_a_later_version(http: aiohttp.ClientSession, traceparent: str) -> None:
    response, _ = await call(http, "GET", "/health", headers={"traceparent": traceparent})

    _, trace_id, parent, _ = response.headers["traceparent"].split("-")
    assert trace_id == TRACE
    assert parent != "b7ad6b7169203331"


@pytest.mark.parametrize("request_id", ["", "x" * 256])
async def test_an_unusable_request_id_is_replaced(http: aiohttp.ClientSession, request_id: str) -> None:
    response, answer = await call(http, "GET", "/health", headers={"X-Request-ID": request_id})

    assert str(UUID(response.headers["X-Request-ID"])) == answer["metadata"]["request_id"]


async def test_conventions_06_a_correlation_header_of_256_characters_is_refused(http: aiohttp.ClientSession) -> None:
    response, answer = await call(http, "GET", "/health", headers={"X-Correlation-ID": "x" * 256})

    assert response.status == 422
    assert answer["error"]["details"]["errors"][0]["path"] == "header.X-Correlation-ID"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b'{"hook_type": "service_st', JSON, 400, "MALFORMED_BODY"),
        (b"", JSON, 400, "MALFORMED_BODY"),
        (b'{"a": NaN}', JSON, 400, "MALFORMED_BODY"),
        (b'{"a": "\xff"}', JSON, 400, "MALFORMED_BODY"),
        (b'{"a": "\\ud800"}', JSON, 400, "MALFORMED_BODY"),
        (b"[" * 33 + b"]" * 33, JSON, 400, "MALFORMED_BODY"),
        (b"[]", JSON, 422, "VALIDATION_ERROR"),
        (b'{"a": "\\u0000"}', JSON, 422, "VALIDATION_ERROR"),
        (b'{"a": 1e999}', JSON, 422, "VALIDATION_ERROR"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"not JSON", {"Content-Type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", {"Content-Type": "application/json; charset=utf-8"}, 422, "VALIDATION_ERROR"),
        (b"{}", {"Content-Type": "application/cloudevents+json"}, 422, "VALIDATION_ERROR"),
        (b" " * (MAX_BODY_BYTES + 1), JSON, 413, "PAYLOAD_TOO_LARGE"),
        (b" " * (MAX_BODY_BYTES + 1), {"Content-Type": "text/plain"}, 413, "PAYLOAD_TOO_LARGE"),
        (b" " * MAX_BODY_BYTES, JSON, 400, "MALFORMED_BODY"),
    ],
)
async def test_conventions_08_bodies_are_checked_in_order(
    worker: Worker, http: aiohttp.ClientSession, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    response, answer = await call(http, "POST", ROUTE, data=body, headers=headers)

    assert (response.status, answer["error"]["code"]) == (status, code)
    assert worker.published == []


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"{}", "text/plain", 415), (b"{", "application/json", 400), (b"{}", "application/json", 422)],
)
async def test_conventions_08_query_and_headers_are_checked_with_the_fields_of_the_body(
    http: aiohttp.ClientSession, body: bytes, content_type: str, status: int
) -> None:
    headers = {"Content-Type": content_type, "X-Correlation-ID": "x" * 256}

    response, _ = await call(http, "POST", f"{ROUTE}?dry_run=maybe", data=body, headers=headers)

    assert response.status == status


async def test_conventions_08_a_body_without_length_is_cut_off_at_the_limit(http: aiohttp.ClientSession) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        for _ in range(MAX_BODY_BYTES // 512 + 1):
            sent += 512
            yield b" " * 512

    response, answer = await call(http, "POST", ROUTE, data=endless(), headers=JSON)

    assert (response.status, answer["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert answer["error"]["details"] == {"limit_bytes": MAX_BODY_BYTES}


async def test_conventions_08_an_announced_length_over_the_limit_is_refused_before_the_body_comes(
    worker: Worker,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(worker.url.rpartition(":")[2]))
    writer.write(b"POST /hooks/service/lifecycle HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n")

    async with asyncio.timeout(5):
        status_line = await reader.readline()

    assert b" 413 " in status_line
    writer.close()
    await writer.wait_closed()


async def test_no_content_type_counts_as_json(http: aiohttp.ClientSession) -> None:
    response, _ = await call(http, "POST", ROUTE, data=b"{}", skip_auto_headers=["Content-Type"])

    assert response.status == 422


@pytest.mark.parametrize(("method", "path", "allow"), [("GET", ROUTE, "POST"), ("DELETE", "/health", "GET, HEAD")])
async def test_conventions_08_another_method_is_405_with_allow(
    http: aiohttp.ClientSession, method: str, path: str, allow: str
) -> None:
    response, answer = await call(http, method, path)

    assert (response.status, answer["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["Allow"] == allow


@pytest.mark.parametrize("path", ["/router", "/table", "/tables", "/graph", "/stats", "/performance"])
async def test_faust_serves_no_pages_of_its_own(http: aiohttp.ClientSession, path: str) -> None:
    response, _ = await call(http, "GET", path)

    assert response.status == 404


async def test_headers_over_16_kib_are_refused(http: aiohttp.ClientSession) -> None:
    response, answer = await call(http, "GET", "/health", headers={"X-Large": "x" * 16_384})

    assert response.status == 422
    assert answer["error"]["details"]["limit_bytes"] == 16_384


async def test_a_defect_is_500_without_its_details(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    response, answer = await call(http, "GET", "/defect")

    assert (response.status, answer["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "secret detail" not in str(answer)


async def test_while_the_worker_stops_requests_are_refused_and_probes_answered(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    worker.stopping = True

    response, answer = await call(http, "POST", ROUTE, data=b"{}", headers=JSON)
    assert (response.status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert response.headers["Connection"] == "close"

    response, answer = await call(http, "GET", "/ready")
    assert (response.status, answer["data"]["reasons"]) == (503, ["shutting down"])
    response, _ = await call(http, "GET", "/health")
    assert response.status == 200


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


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (b"9223372036854775807", 200),
        (b"-9223372036854775808", 200),
        (b"9223372036854775808", 422),
        (b"-9223372036854775809", 422),
        (b"1e308", 200),
        (b"1e309", 422),
    ],
)
async def test_conventions_08_numbers_of_64_bits_are_taken(
    http: aiohttp.ClientSession, number: bytes, status: int
) -> None:
    body = b'{"hook_type":"service_started","service_info":{"name":"s","version":"1","instance_id":"i","x":%b}}'

    response, answer = await call(http, "POST", ROUTE, data=body % number, headers=JSON)

    assert response.status == status
    if status == 422:
        assert answer["error"]["details"]["errors"][0]["path"] == "$.service_info.x"


async def test_a_body_that_is_not_encoded_as_it_says_is_malformed(http: aiohttp.ClientSession) -> None:
    response, answer = await call(http, "POST", ROUTE, data=b"not gzip", headers={**JSON, "Content-Encoding": "gzip"})

    assert (response.status, answer["error"]["code"]) == (400, "MALFORMED_BODY")


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


EXPECTING = b"POST /hooks/service/lifecycle HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n%s\r\n"


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


@pytest.mark.parametrize(
    ("time", "status"),
    [
        ("2024-01-15T10:30:00.5Z", 200),
        ("2024-01-15T10:30:00.123456789+02:00", 200),
        ("2024-01-15 10:30:00", 200),
        ("15/01/2024", 422),
        ("2024-01-15T10:30:00.1234567891Z", 422),
    ],
)
async def test_conventions_09_times_are_read_as_rfc_3339_has_them(
    worker: Worker, http: aiohttp.ClientSession, time: str, status: int
) -> None:
    info = {"name": "s", "version": "1", "instance_id": "i"}
    body = {"hook_type": "service_started", "service_info": info, "timestamp": time}

    response, answer = await call(http, "POST", ROUTE, json=body)

    assert response.status == status
    if status == 422:
        assert answer["error"]["details"]["errors"][0]["path"] == "$.timestamp"
    else:
        assert worker.published[0][1].metadata["client_timestamp"] == time
