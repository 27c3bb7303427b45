"""The form of every JSON answer: {success, data, error, metadata}."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from bridge_app import __version__
from bridge_app.clock import Clock
from bridge_app.errors import RequestError
from bridge_app.timestamps import format_us
from bridge_app.web.context import RequestContext, context_of

JSON_TYPE = "application/json"


class Answers:
    """Renders answers; `clock` stamps them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def success(
        self, request: web.Request, data: Mapping[str, Any], *, status: int = 200, headers: dict[str, str] | None = None
    ) -> web.Response:
        """Return the answer to a request that was handled."""
        return self._render(context_of(request), status, headers or {}, data=data)

    def unready(self, request: web.Request, data: Mapping[str, Any]) -> web.Response:
        """Return the 503 of `/ready`, the one failure that carries data."""
        error = {"code": "SERVICE_UNAVAILABLE", "message": "Not ready", "details": {"reasons": data["reasons"]}}
        return self._render(context_of(request), 503, {"Retry-After": "1"}, data=data, error=error)

    def failure(self, context: RequestContext, error: RequestError) -> web.Response:
        """Return the answer to a request that was not handled."""
        rendered = {"code": error.code, "message": error.message, "details": error.details}
        return self._render(context, error.status, error.headers, error=rendered)

    def elapsed_ms(self, context: RequestContext) -> float:
        """Return how long the worker has been at a request, in milliseconds."""
        return round((self._clock.monotonic() - context.started) * 1000, 3)

    def _render(
        self,
        context: RequestContext,
        status: int,
        headers: dict[str, str],
        *,
        data: Mapping[str, Any] | None = None,
        error: dict[str, Any] | None = None,
    ) -> web.Response:
        body = {
            "success": error is None,
            "data": data,
            "error": None if error is None else {**error, "trace_id": context.trace_id},
            "metadata": {
                "request_id": context.request_id,
                "timestamp": format_us(self._clock.now_us()),
                "processing_time_ms": self.elapsed_ms(context),
                "version": __version__,
            },
        }
        return web.Response(body=_encode(body), status=status, headers={**headers, "Content-Type": JSON_TYPE})


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # an error may quote a header, and aiohttp keeps what is not UTF-8 as surrogates
        return orjson.dumps(_as_unicode(body))


def _as_unicode(value: Any) -> Any:
    """Return a value with `?` in the place of lone surrogates."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {name: _as_unicode(item) for name, item in value.items()}
    return [_as_unicode(item) for item in value] if isinstance(value, list) else value
