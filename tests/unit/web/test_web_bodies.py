"""What bodies may be: the order of checks, limits, numbers, times (conventions §5)."""

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest

from tests.unit.web.asking import JSON, ROUTE, call
from tests.unit.web.http_worker import MAX_BODY_BYTES, Worker


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
        (b'{"n": 1e999, "a": "\\ud800"}', JSON, 400, "MALFORMED_BODY"),
        (b'{"n": 1e999, "\\udc00": 1}', JSON, 400, "MALFORMED_BODY"),
        (b'{"n": 1e999, "a": ["\\ud83d\\ude00"]}', JSON, 422, "VALIDATION_ERROR"),
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


async def test_a_content_type_that_is_no_text_is_refused_in_the_common_form(worker: Worker) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(worker.url.rpartition(":")[2]))
    head = b"POST /hooks/service/lifecycle HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n"
    writer.write(head + b"Content-Type: text/\xff\r\n\r\n{}")

    async with asyncio.timeout(5):
        answer = await reader.read()

    assert b" 415 " in answer.splitlines()[0]
    error = orjson.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert (error["code"], error["details"]) == ("UNSUPPORTED_MEDIA_TYPE", {"content_type": "text/?"})
    writer.close()
    await writer.wait_closed()


async def test_no_content_type_counts_as_json(http: aiohttp.ClientSession) -> None:
    response, _ = await call(http, "POST", ROUTE, data=b"{}", skip_auto_headers=["Content-Type"])

    assert response.status == 422


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
