"""Faust's web driver with limits, and without Faust's own pages.

Stock Faust sets no limit on headers or idle connections, waits a minute for open requests at the end, and serves pages
about topics and tables to anybody. Stock aiohttp answers what it cannot read as a request in plain text, and asks for
every announced body (`Expect: 100-continue`) before anybody has looked at the headers.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Middleware
from faust.web.drivers.aiohttp import Web as AiohttpWeb

from bridge_app.errors import SettingsError, StartError
from bridge_app.web.middleware import Refuse
from bridge_app.web.views import View

#: A connection that sends nothing, or no complete headers, for so long is closed.
IDLE_SECONDS = 30
#: How long requests in flight may take once the worker stops.
SHUTDOWN_SECONDS = 10.0
#: How long the rest of a refused body is read away, so that the client gets to see the answer.
LINGER_SECONDS = 5.0
#: The parser's limit for the request line and for one header; the sum of all headers is the middleware's to judge.
MAX_LINE_BYTES = 64 * 1024


class _Connection(web.RequestHandler):
    """A connection whose errors below the middleware are answered as `Refuse` has it."""

    __slots__ = ("_refuse",)

    def __init__(self, *args: Any, refuse: Refuse, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refuse = refuse

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        return self._refuse(request, status, exc)


class _Server(web.Server):
    def __init__(self, handler: Any, *, refuse: Refuse, **kwargs: Any) -> None:
        super().__init__(handler, **kwargs)
        self._refuse = refuse

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, refuse=self._refuse, **self._kwargs)


class _Runner(web.AppRunner):
    """aiohttp's runner with our connections; it has no public place to say so."""

    __slots__ = ("_refuse",)

    def __init__(self, app: web.Application, *, refuse: Refuse, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._refuse = refuse

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, refuse=self._refuse, **made._kwargs)


class BridgeWeb(AiohttpWeb):
    """The web server of a worker.

    `max_body_bytes` limits every body; `refuse` answers what is no request; `halt` ends the process when the port
    cannot be had.
    """

    default_blueprints = ()
    production_blueprints = ()
    debug_blueprints = ()
    optional_blueprints = ()

    def __init__(
        self,
        app: Any,
        *,
        middlewares: Sequence[Middleware],
        max_body_bytes: int,
        refuse: Refuse,
        halt: Callable[[StartError], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(app, **kwargs)
        self._halt = halt
        self.web_app = web.Application(middlewares=middlewares, client_max_size=max_body_bytes)
        self._runner = _Runner(
            self.web_app,
            refuse=refuse,
            access_log=None,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )

    @property
    def connections(self) -> int:
        """How many connections of clients are open."""
        server = self._runner.server
        return 0 if server is None else len(server.connections)

    def route(self, pattern: str, handler: Callable[..., Any], cors_options: Any = None) -> None:
        """Add the routes of a view. A body is asked for when it is read, not before its request has been admitted."""
        async_handler = self._wrap_into_asyncdef(handler)
        for method in cast(View, handler).get_methods():
            self.web_app.router.add_route(method, pattern, async_handler, expect_handler=_expect_nothing_yet)

    async def start_server(self) -> None:
        """Listen; a port that cannot be had ends the process with one line and exit code 2."""
        try:
            await super().start_server()
        except OSError as error:
            conf = self.app.conf
            self._halt(SettingsError(f"BRIDGE_WEB_PORT={conf.web_port}: cannot listen on {conf.web_bind}: {error}"))


async def _expect_nothing_yet(_request: web.Request) -> None:
    return
