"""Faust's web driver with limits, and without Faust's own pages.

Stock Faust sets no limit on headers or idle connections, waits a minute for open requests at the end, and serves pages
about topics and tables to anybody.
"""

from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware
from faust.web.drivers.aiohttp import Web as AiohttpWeb

from bridge_app.errors import SettingsError, StartError

#: A connection that sends nothing, or no complete headers, for so long is closed.
IDLE_SECONDS = 30
#: How long requests in flight may take once the worker stops.
SHUTDOWN_SECONDS = 10.0
#: How long the rest of a refused body is read away, so that the client gets to see the answer.
LINGER_SECONDS = 5.0
#: The parser's limit for the request line and for one header; the sum of all headers is the middleware's to judge.
MAX_LINE_BYTES = 64 * 1024


class BridgeWeb(AiohttpWeb):
    """The web server of a worker.

    `max_body_bytes` limits every body; `halt` ends the process when the port cannot be had.
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
        halt: Callable[[StartError], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(app, **kwargs)
        self._halt = halt
        self.web_app = web.Application(middlewares=middlewares, client_max_size=max_body_bytes)
        self._runner = web.AppRunner(
            self.web_app,
            access_log=None,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )

    async def start_server(self) -> None:
        """Listen; a port that cannot be had ends the process with one line and exit code 2."""
        try:
            await super().start_server()
        except OSError as error:
            conf = self.app.conf
            self._halt(SettingsError(f"BRIDGE_WEB_PORT={conf.web_port}: cannot listen on {conf.web_bind}: {error}"))
