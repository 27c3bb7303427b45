"""What is known of a request: its ids, who sent it, and when it came."""

from collections.abc import Callable

import msgspec
from aiohttp import web

from bridge_app.clock import Clock
from bridge_app.domain.credentials import Credential
from bridge_app.domain.hooks import CORRELATION_HINT, is_correlation_id
from bridge_app.domain.idempotency import Scope
from bridge_app.errors import FieldError, ValidationError
from bridge_app.events.trace import trace_id_of

LONGEST_KEY = 255
#: The idempotency key is the first of these headers that a POST has.
_KEY_HEADERS = ("Idempotency-Key", "webhook-id")


class RequestContext(msgspec.Struct):
    """The ids of a request, and who sent it.

    `correlation_id` is the one that the answer names: the body's where a view finds one, else the header's, else a new
    one. `given_correlation_id` is that of the header. `errors` are headers that break their contract. `credential` is
    None where nobody had to say who they are. `scope` is that of the idempotency key, None when there is none.
    """

    request_id: str
    correlation_id: str
    given_correlation_id: str | None
    trace_id: str
    span_id: str
    started: float
    errors: list[FieldError]
    idempotency_key: str | None = None
    credential: Credential | None = None
    scope: Scope | None = None

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"

    def check_headers(self) -> None:
        """Raise ValidationError when a header breaks its contract."""
        if self.errors:
            raise ValidationError(self.errors)

    def root_event_id(self, new_uuid: Callable[[], str], index: int = 0) -> str:
        """Return the id of the root event of item `index`: derived from the idempotency key, else a new one."""
        return new_uuid() if self.scope is None else self.scope.event_id(index)


_KEY = web.RequestKey("bridge_app.request_context", RequestContext)


def open_context(request: web.BaseRequest, clock: Clock, new_uuid: Callable[[], str]) -> RequestContext:
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
        idempotency_key=_idempotency_key(request, errors),
    )
    request[_KEY] = context
    return context


def context_of(request: web.BaseRequest) -> RequestContext:
    """Return the context that the middleware attached."""
    return request[_KEY]


def _idempotency_key(request: web.BaseRequest, errors: list[FieldError]) -> str | None:
    """Return the key of a POST, None when it has none; add to `errors` what is wrong with it."""
    if request.method != "POST":
        return None
    name = next((name for name in _KEY_HEADERS if name in request.headers), None)
    if name is None:
        return None
    key = request.headers[name]
    if 1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable():
        return key
    errors.append(FieldError(f"header.{name}", f"Expected 1 to {LONGEST_KEY} printable ASCII characters"))
    return None


def _is_unicode(text: str) -> bool:
    """Tell whether a header was sent as UTF-8; aiohttp keeps other bytes as lone surrogates."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
