"""What a request has to pass before its view sees it, in the order of conventions §5."""

from collections.abc import Callable

from aiohttp import web

from bridge_app.clock import Clock
from bridge_app.domain.idempotency import Scope
from bridge_app.domain.rate_limit import RateLimit
from bridge_app.errors import FieldError, RateLimited, ServiceUnavailable, ValidationError
from bridge_app.web.authentication import Authenticator
from bridge_app.web.bodies import check_announced_size
from bridge_app.web.context import RequestContext

MAX_HEADER_BYTES = 16 * 1024
#: Answered also while the worker stops: they are how others learn of it.
PROBES = frozenset({"/health", "/ready"})
#: Neither counted nor limited: who looks after the worker must get through when it is busiest.
UNLIMITED = PROBES | {"/metrics"}


class Admission:
    """Lets requests in. While `stopping()` they are refused with 503 and `Connection: close`.

    `per_minute()` is how many requests a caller may send, 0 for any number; when it has changed, all buckets are full.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        per_minute: Callable[[], int],
        clock: Clock,
        stopping: Callable[[], bool],
    ) -> None:
        self._authenticator = authenticator
        self._per_minute = per_minute
        self._rate_limit: RateLimit | None = None
        self._clock = clock
        self._stopping = stopping

    async def admit(self, request: web.Request, context: RequestContext) -> None:
        """Check everything that does not depend on the route, and keep in the context who sent the request:

        1. size of headers and body, as far as it is announced; the body is measured again while it is read
        2. authentication
        3. signature on the raw body
        4. rate limit

        The view goes on with content type, decoding, validation, idempotency and publication. Headers that break their
        contract are part of validation; where no body comes, it is done here.

        Raises:
            RequestError: the first check that failed.
        """
        if self._stopping() and request.path not in PROBES:
            error = ServiceUnavailable("The worker is shutting down")
            error.headers["Connection"] = "close"
            raise error
        _check_header_size(request)
        check_announced_size(request)
        credential = await self._authenticator.authenticate(request, self._clock.now_us())
        context.credential = credential
        self._count(request, context)
        if context.idempotency_key is not None:
            tenant = None if credential is None else credential.tenant
            context.scope = Scope(tenant, request.method, request.path, context.idempotency_key)
        if not request.body_exists:
            context.check_headers()

    def _count(self, request: web.Request, context: RequestContext) -> None:
        limits = self._limits()
        if limits is None or request.path in UNLIMITED:
            return
        credential = context.credential
        caller = f"address {request.remote}" if credential is None else f"credential {credential.id}"
        retry_after = limits.take(caller, self._clock.monotonic())
        if retry_after:
            limit = limits.per_minute
            raise RateLimited(
                f"More than {limit} requests a minute", retry_after=retry_after, details={"limit_per_minute": limit}
            )

    def _limits(self) -> RateLimit | None:
        """Return the buckets of the limit in force, None when there is none."""
        per_minute = self._per_minute()
        if self._rate_limit is None or self._rate_limit.per_minute != per_minute:
            self._rate_limit = RateLimit(per_minute)
        return self._rate_limit if per_minute else None


def _check_header_size(request: web.Request) -> None:
    if sum(len(name) + len(value) + 4 for name, value in request.raw_headers) > MAX_HEADER_BYTES:
        raise headers_too_large()


def headers_too_large() -> ValidationError:
    """Return the error for headers over the limit."""
    return ValidationError(
        [FieldError("header", f"Expected at most {MAX_HEADER_BYTES} bytes of headers")],
        details={"limit_bytes": MAX_HEADER_BYTES},
    )
