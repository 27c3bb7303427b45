"""Requests and hook posts are counted and timed: the outermost middleware, which sees the final answers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bridge_app.metrics import Metrics
from bridge_app.web.idempotency import REPLAYED

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN = "unknown"
HOOKS = "/hooks/"

PUBLISHED, BUFFERED, VALIDATED, INVALID = "published", "buffered", "validated", "invalid"
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


_NOTES = web.RequestKey("bridge_app.hook_notes", list[HookNote])


def note_hook(request: web.Request, route: KnownTypes, body: Any) -> HookNote:
    """Keep which hook a request brings; a type that the route does not know is `unknown`: it may be anything."""
    note = HookNote(_name(route, body))
    request[_NOTES] = [note]
    return note


def note_hooks(request: web.Request, hooks: Iterable[tuple[KnownTypes | None, Any]]) -> list[HookNote]:
    """Keep which hooks a batch brings, each with the route that takes it; None, and it is `unknown`."""
    notes = request[_NOTES] = [HookNote(UNKNOWN if route is None else _name(route, body)) for route, body in hooks]
    return notes


def _name(route: KnownTypes, body: Any) -> str:
    sent = body.get("hook_type") if isinstance(body, dict) else None
    folded = sent.lower().replace("-", "_") if isinstance(sent, str) else ""
    name = route.aliases.get(folded, folded)
    return name if name in route.types else UNKNOWN


def create_meter(metrics: Metrics, monotonic: Callable[[], float]) -> Middleware:
    """Return the middleware."""
    # To find the child of a set of labels takes longer than to count; there are few sets.
    requests, duration = cache(metrics.http_requests.labels), cache(metrics.http_duration.labels)
    processed = cache(metrics.hooks_processed.labels)

    @web.middleware
    async def meter(request: web.Request, handler: Handler) -> web.StreamResponse:
        route, method = _route(request), request.method if request.method in METHODS else "other"
        is_hook = method == "POST" and route.startswith(HOOKS)
        started = monotonic()
        response = await handler(request)
        requests(method, route, response.status).inc()
        duration(method, route).observe(monotonic() - started)
        if is_hook and REPLAYED not in response.headers:  # what a kept answer repeats was counted when it was given
            for (hook_type, outcome), number in Counter(_outcomes(request.get(_NOTES), response.status)).items():
                processed(hook_type, outcome).inc(number)
        return response

    return meter


def _route(request: web.Request) -> str:
    """Return the template of the route, never the path: paths are the caller's."""
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical


def _outcomes(notes: Sequence[HookNote] | None, status: int) -> Iterator[tuple[str, str]]:
    """Yield type and outcome of each hook of a request; those that were only checked do not count."""
    refused = INVALID if status in INVALID_STATUSES else "rejected"
    for note in notes if notes is not None else [HookNote(UNKNOWN)]:
        outcome = note.status if status < 300 else refused
        if outcome != VALIDATED:
            yield note.hook_type, outcome
