"""GET /openapi.json, /asyncapi.json and /docs: what the bridge offers, for machines and for people (conventions §5)."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import faust
import orjson
from aiohttp import web

from bridge_app.errors import NotFound
from bridge_app.settings import Settings
from bridge_app.web.api import documents
from bridge_app.web.api.asyncapi import asyncapi
from bridge_app.web.api.openapi import openapi, routes_of
from bridge_app.web.api.operation import describe
from bridge_app.web.views import View

PAGE: Final = "docs.html"
_MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
#: The page loads its own files and asks its own worker, nothing else; it is shown in no frame.
_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def page_files() -> dict[str, bytes]:
    """Return the files of the page by name."""
    folder = files("bridge_app.web") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if _media_type(file.name)}


def register(app: faust.App, settings: Settings) -> None:
    """Add the routes. The documents are made when they are first asked for, of the routes there are then."""
    pages = page_files()

    @cache
    def openapi_document() -> bytes:
        routes = routes_of(app.web.views)
        return orjson.dumps(
            openapi(routes, auth_enabled=settings.auth_enabled, max_body_bytes=settings.http_max_body_bytes)
        )

    @cache
    def asyncapi_document() -> bytes:
        return orjson.dumps(asyncapi(settings))

    @app.page("/")
    class Root(View):
        """Leads to the documentation."""

        @describe(documents.ROOT)
        async def get(self, request: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": "/docs"})

    @app.page("/openapi.json")
    class OpenApi(View):
        """The HTTP interface."""

        @describe(documents.OPENAPI)
        async def get(self, request: web.Request) -> web.Response:
            return _file(openapi_document(), "application/json")

    @app.page("/asyncapi.json")
    class AsyncApi(View):
        """The events on Kafka."""

        @describe(documents.ASYNCAPI)
        async def get(self, request: web.Request) -> web.Response:
            return _file(asyncapi_document(), "application/json")

    @app.page("/docs")
    class Page(View):
        """Both for people."""

        @describe(documents.PAGE)
        async def get(self, request: web.Request) -> web.Response:
            return _file(pages[PAGE], "text/html")

    @app.page("/static/{name}")
    class PageFile(View):
        """What the page consists of."""

        @describe(documents.page_file(sorted(pages)))
        async def get(self, request: web.Request, name: str) -> web.Response:
            if name not in pages:
                raise NotFound(f"There is no {request.path}")
            return _file(pages[name], _media_type(name) or "")


def _media_type(name: str) -> str | None:
    return next((media_type for suffix, media_type in _MEDIA_TYPES.items() if name.endswith(suffix)), None)


def _file(body: bytes, media_type: str) -> web.Response:
    charset = None if media_type == "application/json" else "utf-8"
    return web.Response(body=body, content_type=media_type, charset=charset, headers=dict(_HEADERS))
