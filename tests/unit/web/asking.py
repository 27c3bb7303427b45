"""How the tests of the web layer ask: a route that takes bodies, and a request with its decoded answer."""

from typing import Any

import aiohttp

ROUTE = "/hooks/service/lifecycle"
JSON = {"Content-Type": "application/json"}


async def call(
    http: aiohttp.ClientSession, method: str, path: str, **options: Any
) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
    async with http.request(method, path, **options) as response:
        return response, await response.json()
