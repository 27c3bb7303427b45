"""Read the body of a request, with the checks in the order of conventions §5."""

import asyncio
import re
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bridge_app.errors import MalformedBody, PayloadTooLarge, UnsupportedMediaType
from bridge_app.json_values import parse_body

SEND_SECONDS = 30

_JSON = re.compile(r"application/json|[\w!#$&^.+-]+/[\w!#$&^.+-]+\+json", re.IGNORECASE)


async def read_json(request: web.Request) -> Any:
    """Return the JSON value of the body.

    Raises:
        PayloadTooLarge: over the server's limit; found by the announced length where there is one.
        UnsupportedMediaType: neither `application/json` nor `*/*+json`; no content type counts as JSON.
        MalformedBody: not JSON that the bridge reads, or not sent within 30 s.
    """
    body = await read_bytes(request)
    check_content_type(request)
    return parse_body(body)


async def read_bytes(request: web.Request) -> bytes:
    """Return the raw body, at most as many bytes as the server takes."""
    limit = request.client_max_size
    if (request.content_length or 0) > limit:
        raise too_large(limit)
    try:
        async with asyncio.timeout(SEND_SECONDS):
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


def too_large(limit: int) -> PayloadTooLarge:
    """Return the error for a body over the limit, in bytes."""
    return PayloadTooLarge(f"The body is larger than {limit} bytes", details={"limit_bytes": limit})


def check_content_type(request: web.Request) -> None:
    """Raise UnsupportedMediaType unless the content type is JSON or absent."""
    given = request.headers.get("Content-Type", "")
    media_type = given.partition(";")[0].strip()
    if media_type and not _JSON.fullmatch(media_type):
        raise UnsupportedMediaType(f"Expected application/json, got {media_type}", details={"content_type": given})
