"""The one middleware: ids in and out, admission, limits of time and number, every error in the bridge's form."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.typedefs import Middleware

from bridge_app.clock import Clock
from bridge_app.errors import (
    InternalError,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    RequestError,
    ServiceUnavailable,
)
from bridge_app.web.admission import UNLIMITED, Admission, headers_too_large
from bridge_app.web.answers import Answers
from bridge_app.web.bodies import is_awaited, too_large
from bridge_app.web.context import RequestContext, open_context
from bridge_app.web.limits import InFlight

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Makes the answer to what could not be read as a request: from its status and the error of the server below.
Refuse = Callable[[web.BaseRequest, int, BaseException | None], web.Response]

HANDLING_SECONDS = 70
#: WebSockets have their own limits.
UNCOUNTED = UNLIMITED | {"/ws"}


def create_middleware(
    *, answers: Answers, clock: Clock, new_uuid: Callable[[], str], admission: Admission, in_flight: InFlight
) -> Middleware:
    """Return the middleware."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        context = open_context(request, clock, new_uuid)
        structlog.contextvars.bind_contextvars(
            request_id=context.request_id, trace_id=context.trace_id, correlation_id=context.correlation_id
        )

        async def admit_and_handle() -> web.StreamResponse:
            await admission.admit(request, context)
            return await handler(request)

        try:
            if request.path in UNCOUNTED:
                response = await _in_time(admit_and_handle)
            else:
                with in_flight.enter():
                    response = await _in_time(admit_and_handle)
        except RequestError as error:
            response = answers.failure(context, error)
        except web.HTTPException as error:
            response = answers.failure(context, _translate(request, error))
        except Exception:  # whatever a view did not foresee: the client gets the common form, the log the defect
            log.exception("request_failed", method=request.method, path=request.path)
            response = answers.failure(context, InternalError("Internal error"))
        _stamp(response, context)
        if is_awaited(request) and not response.prepared:
            response.force_close()  # whether the body comes after all is not known: the next request would begin there
        return response

    return middleware


def create_refusal(*, answers: Answers, clock: Clock, new_uuid: Callable[[], str]) -> Refuse:
    """Return what answers in the common form when no request reaches the middleware."""

    def refuse(request: web.BaseRequest, status: int, error: BaseException | None) -> web.Response:
        context = open_context(request, clock, new_uuid)
        if status >= 500:
            log.error("request_failed", status=status, exc_info=error)
            refusal: RequestError = InternalError("Internal error")
        elif isinstance(error, LineTooLong):
            refusal = headers_too_large()
        else:
            # The text of the error quotes what was sent, which may be a credential.
            log.info("request_unreadable", error=type(error).__name__, remote=request.remote)
            refusal = MalformedBody("This is no HTTP request that the bridge reads")
        response = answers.failure(context, refusal)
        _stamp(response, context)
        response.force_close()
        return response

    return refuse


async def _in_time(handle: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    try:
        async with asyncio.timeout(HANDLING_SECONDS) as limit:
            return await handle()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ServiceUnavailable(f"The request was not handled within {HANDLING_SECONDS} s") from error


def _translate(request: web.Request, error: web.HTTPException) -> RequestError:
    """Return our error for one of aiohttp's: the router's, and those of reading a body."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = _methods_of(request) or sorted(error.allowed_methods)
        return MethodNotAllowed(
            f"{request.path} does not take {request.method}",
            details={"allowed": allowed},
            headers={"Allow": ", ".join(allowed)},
        )
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return too_large(request.client_max_size)
    if error.status == 404:
        return NotFound(f"There is no {request.path}")
    if error.status < 500:
        return MalformedBody(error.reason)
    log.error("request_failed", method=request.method, path=request.path, status=error.status, reason=error.reason)
    return InternalError("Internal error")


def _methods_of(request: web.Request) -> list[str]:
    """Return the methods of the route that is exactly this path; the router adds those of patterns that match it."""
    routes = request.app.router.routes()
    return sorted({one.method for one in routes if one.resource and one.resource.canonical == request.path})


def _stamp(response: web.StreamResponse, context: RequestContext) -> None:
    if response.prepared:
        return
    response.headers["X-Request-ID"] = context.request_id
    response.headers["X-Correlation-ID"] = context.correlation_id
    response.headers["traceparent"] = context.traceparent
    if response.headers.get("Connection") == "close":
        response.force_close()
