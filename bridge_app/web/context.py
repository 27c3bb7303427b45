"""What is known of a request: its ids, and when it came."""

from collections.abc import Callable

import msgspec
from aiohttp import web

from bridge_app.clock import Clock
from bridge_app.domain.hooks import CORRELATION_HINT, is_correlation_id
from bridge_app.errors import FieldError
from bridge_app.events.trace import trace_id_of


class RequestContext(msgspec.Struct):
    """The ids of a request.

    `correlation_id` is the one that the answer names: the body's where a view finds one, else the header's, else a new
    one. `given_correlation_id` is that of the header. `errors` are headers that break their contract.
    """

    request_id: str
    correlation_id: str
    given_correlation_id: str | None
    trace_id: str
    span_id: str
    started: float
    errors: list[FieldError]

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"


_KEY = web.RequestKey("bridge_app.request_context", RequestContext)


def open_context(request: web.Request, clock: Clock, new_uuid: Callable[[], str]) -> RequestContext:
    """Read the headers of a request and attach its context."""
    headers = request.headers
    errors: list[FieldError] = []
    own = new_uuid()
    request_id = headers.get("X-Request-ID", "")
    correlation_id = headers.get("X-Correlation-ID") or None
    if correlation_id is not None and not (is_correlation_id(correlation_id) and _is_unicode(correlation_id)):
        errors.append(FieldError("header.X-Correlation-ID", CORRELATION_HINT))
        correlation_id = None
    context = RequestContext(
        request_id=request_id if is_correlation_id(request_id) and _is_unicode(request_id) else own,
        correlation_id=correlation_id or new_uuid(),
        given_correlation_id=correlation_id,
        trace_id=trace_id_of(headers.get("traceparent")) or new_uuid().replace("-", ""),
        span_id=own.replace("-", "")[:16],
        started=clock.monotonic(),
        errors=errors,
    )
    request[_KEY] = context
    return context


def context_of(request: web.Request) -> RequestContext:
    """Return the context that the middleware attached."""
    return request[_KEY]


def _is_unicode(text: str) -> bool:
    """Tell whether a header was sent as UTF-8; aiohttp keeps other bytes as lone surrogates."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
