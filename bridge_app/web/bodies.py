"""Read the body of a request, with the checks in the order of conventions §5."""

import asyncio
import re
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from bridge_app.errors import MalformedBody, PayloadTooLarge, UnsupportedMediaType
from bridge_app.json_values import parse_body
from bridge_app.web.context import context_of

SEND_SECONDS = 30

_ASKED = web.RequestKey("bridge_app.body_asked_for", bool)
_JSON = re.compile(r"application/json|[\w!#$&^.+-]+/[\w!#$&^.+-]+\+json", re.IGNORECASE)


async def read_json(request: web.Request) -> Any:
    """Return the JSON value of the body.

    Raises:
        PayloadTooLarge: over the server's limit; found by the announced length where there is one.
        UnsupportedMediaType: neither `application/json` nor `*/*+json`; no content type counts as JSON.
        MalformedBody: not JSON that the bridge reads, or not sent within 30 s.
        ValidationError: a header breaks its contract.
    """
    body = await read_bytes(request)
    check_content_type(request)
    value = parse_body(body)
    context_of(request).check_headers()
    return value


def check_announced_size(request: web.Request) -> None:
    """Raise PayloadTooLarge when the announced length is over the limit: such a body is not read at all."""
    limit = request.client_max_size
    if (request.content_length or 0) > limit:
        raise too_large(limit)


async def read_bytes(request: web.Request) -> bytes:
    """Return the raw body, at most as many bytes as the server takes; it may be asked for again.

    Raises:
        PayloadTooLarge: over the server's limit.
        MalformedBody: not encoded as its headers say, or not sent within 30 s.
    """
    limit = request.client_max_size
    check_announced_size(request)
    await _ask_for(request)
    try:
        # Most bodies have arrived by now: a timer that never rings is not worth setting.
        async with asyncio.timeout(None if request.content.is_eof() else SEND_SECONDS):
            return await request.read()
    except TimeoutError as error:
        raise MalformedBody(
            f"The body was not sent within {SEND_SECONDS} s",
            details={"limit_seconds": SEND_SECONDS},
            headers={"Connection": "close"},
        ) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large(limit) from error
    except (HttpProcessingError, web.RequestPayloadError) as error:
        raise MalformedBody("The body is not encoded as its headers say", headers={"Connection": "close"}) from error


def is_awaited(request: web.BaseRequest) -> bool:
    """Tell whether the client waits for a word before it sends the body (`Expect: 100-continue`)."""
    expectation = request.headers.get("Expect", "").lower()
    return expectation == "100-continue" and request.version >= HttpVersion11 and _ASKED not in request


async def _ask_for(request: web.Request) -> None:
    """Let the client send a body that it has only announced; this comes after all checks that need no body."""
    if is_awaited(request) and request.can_read_body:
        request[_ASKED] = True
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # aiohttp takes a request for answered once something was written.
        request.writer.output_size = 0


def too_large(limit: int) -> PayloadTooLarge:
    """Return the error for a body over the limit, in bytes."""
    return PayloadTooLarge(f"The body is larger than {limit} bytes", details={"limit_bytes": limit})


def check_content_type(request: web.Request) -> None:
    """Raise UnsupportedMediaType unless the content type is JSON or absent."""
    given = request.headers.get("Content-Type", "")
    media_type = given.partition(";")[0].strip()
    if media_type and not _JSON.fullmatch(media_type):
        raise UnsupportedMediaType(f"Expected application/json, got {media_type}", details={"content_type": given})
