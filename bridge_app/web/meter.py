"""Requests and hook posts are counted and timed: the outermost middleware, which sees the final answers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bridge_app.metrics import Metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN = "unknown"
HOOKS = "/hooks/"

PUBLISHED, BUFFERED, VALIDATED = "published", "buffered", "validated"
#: What is the caller's to mend.
INVALID_STATUSES = frozenset({400, 409, 413, 415, 422})


class KnownTypes(Protocol):
    """The hook types that a route takes: canonical names, and other names for them."""

    @property
    def types(self) -> Mapping[str, Any]: ...

    @property
    def aliases(self) -> Mapping[str, str]: ...


class HookNote(msgspec.Struct):
    """What the view of a hook found out; `status` is what it means when the answer is 200."""

    hook_type: str
    status: str = PUBLISHED


_NOTE = web.RequestKey("bridge_app.hook_note", HookNote)


def note_hook(request: web.Request, route: KnownTypes, body: Any) -> HookNote:
    """Keep which hook a request brings; a type that the route does not know is `unknown`: it may be anything."""
    sent = body.get("hook_type") if isinstance(body, dict) else None
    folded = sent.lower().replace("-", "_") if isinstance(sent, str) else ""
    name = route.aliases.get(folded, folded)
    note = request[_NOTE] = HookNote(name if name in route.types else UNKNOWN)
    return note


def create_meter(metrics: Metrics, monotonic: Callable[[], float]) -> Middleware:
    """Return the middleware."""

    @web.middleware
    async def meter(request: web.Request, handler: Handler) -> web.StreamResponse:
        route, method = _route(request), request.method if request.method in METHODS else "other"
        is_hook = method == "POST" and route.startswith(HOOKS)
        started = monotonic()
        with _in_flight(metrics, is_hook):
            response = await handler(request)
        metrics.http_requests.labels(method, route, str(response.status)).inc()
        metrics.http_duration.labels(method, route).observe(monotonic() - started)
        if is_hook:
            _count_hook(metrics, request.get(_NOTE), response.status)
        return response

    return meter


def _route(request: web.Request) -> str:
    """Return the template of the route, never the path: paths are the caller's."""
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical


@contextmanager
def _in_flight(metrics: Metrics, is_hook: bool) -> Iterator[None]:
    if not is_hook:
        yield
        return
    with metrics.hooks_in_flight.track_inprogress():
        yield


def _count_hook(metrics: Metrics, note: HookNote | None, status: int) -> None:
    hook_type = UNKNOWN if note is None else note.hook_type
    if status < 300:
        outcome = PUBLISHED if note is None else note.status
    else:
        outcome = "invalid" if status in INVALID_STATUSES else "rejected"
    if outcome != VALIDATED:
        metrics.hooks_processed.labels(hook_type, outcome).inc()
