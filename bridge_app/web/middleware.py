"""The one middleware: ids in and out, the time limit, every error in the bridge's form."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from bridge_app.clock import Clock
from bridge_app.errors import (
    FieldError,
    InternalError,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    RequestError,
    ServiceUnavailable,
    ValidationError,
)
from bridge_app.web.answers import Answers
from bridge_app.web.bodies import too_large
from bridge_app.web.context import RequestContext, open_context

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HANDLING_SECONDS = 70
MAX_HEADER_BYTES = 16 * 1024
#: Answered also while the worker stops: they are how others learn of it.
PROBES = frozenset({"/health", "/ready"})


def create_middleware(
    *, answers: Answers, clock: Clock, new_uuid: Callable[[], str], stopping: Callable[[], bool]
) -> Middleware:
    """Return the middleware. While `stopping()`, requests are refused with 503 and `Connection: close`."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        context = open_context(request, clock, new_uuid)
        structlog.contextvars.bind_contextvars(request_id=context.request_id, trace_id=context.trace_id)
        try:
            _admit(request, context, stopping)
            response = await _handle(request, handler)
        except RequestError as error:
            response = answers.failure(context, error)
        except web.HTTPException as error:
            response = answers.failure(context, _translate(request, error))
        except Exception:  # whatever a view did not foresee: the client gets the common form, the log the defect
            log.exception("request_failed", method=request.method, path=request.path)
            response = answers.failure(context, InternalError("Internal error"))
        _stamp(response, context)
        return response

    return middleware


def _admit(request: web.Request, context: RequestContext, stopping: Callable[[], bool]) -> None:
    if stopping() and request.path not in PROBES:
        error = ServiceUnavailable("The worker is shutting down")
        error.headers["Connection"] = "close"
        raise error
    if sum(len(name) + len(value) + 4 for name, value in request.raw_headers) > MAX_HEADER_BYTES:
        raise ValidationError(
            [FieldError("header", f"Expected at most {MAX_HEADER_BYTES} bytes of headers")],
            details={"limit_bytes": MAX_HEADER_BYTES},
        )
    if context.errors:
        raise ValidationError(context.errors)


async def _handle(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        async with asyncio.timeout(HANDLING_SECONDS) as limit:
            return await handler(request)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ServiceUnavailable(f"The request was not handled within {HANDLING_SECONDS} s") from error


def _translate(request: web.Request, error: web.HTTPException) -> RequestError:
    """Return our error for one of aiohttp's: the router's, and those of reading a body."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return MethodNotAllowed(
            f"{request.path} does not take {request.method}",
            details={"allowed": sorted(error.allowed_methods)},
            headers={"Allow": allowed},
        )
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return too_large(request.client_max_size)
    if error.status == 404:
        return NotFound(f"There is no {request.path}")
    if error.status < 500:
        return MalformedBody(error.reason)
    log.error("request_failed", method=request.method, path=request.path, status=error.status, reason=error.reason)
    return InternalError("Internal error")


def _stamp(response: web.StreamResponse, context: RequestContext) -> None:
    if response.prepared:
        return
    response.headers["X-Request-ID"] = context.request_id
    response.headers["X-Correlation-ID"] = context.correlation_id
    response.headers["traceparent"] = context.traceparent
    if response.headers.get("Connection") == "close":
        response.force_close()
