"""Every error the bridge raises on purpose.

    BridgeError
    ├── RequestError               an HTTP request that cannot be answered as asked
    │   ├── MalformedBody          400  empty, not JSON, NaN, nested too deep
    │   ├── Unauthorized           401  credential or signature missing, wrong or expired
    │   ├── Forbidden              403  the credential lacks a scope
    │   ├── NotFound               404
    │   ├── MethodNotAllowed       405
    │   ├── Conflict               409  the state of the thing forbids it
    │   ├── RequestInProgress      409  the same idempotency key is being handled; try again
    │   ├── PayloadTooLarge        413
    │   ├── UnsupportedMediaType   415
    │   ├── ValidationError        422  names each field
    │   ├── InvalidHookType        422
    │   ├── IdempotencyKeyReused   422  the same key came with another body
    │   ├── RateLimited            429  too many requests; try again
    │   ├── InternalError          500  a defect
    │   └── ServiceUnavailable     503  a needed store is away; try again
    ├── PoisonRecord               a Kafka record that can never be handled: set aside, the partition goes on
    ├── DatabaseFailure            Postgres refused a statement or is away: `sqlstate` says which
    ├── DependencyRefusal          a dependency answers, and refuses what the worker needs of it
    ├── CircuitOpenError           a breaker refused the call, no I/O was done; says when to try again
    ├── MigrationError             a migration fails, or was changed after it was applied
    ├── StateDamaged               a file of the local state cannot be read: the next start reads the changelog instead
    ├── Fenced                     this worker may no longer own the partition: nothing may be written
    └── StartError                 the process must not run
        ├── SettingsError          exit code 2: an environment variable, the data folder, a port
        └── StateMismatch          exit code 3: topics or state that an operator has to put right

`retryable` says whether the very same request may succeed later.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple


class BridgeError(Exception):
    """Root of the tree."""


class FieldError(NamedTuple):
    """One thing wrong with an input: `path` as in `$.service_info.port`, `query.limit` or `header.X-Request-ID`."""

    path: str
    message: str


class RequestError(BridgeError):
    """An HTTP request that is answered with `status` and `code` (conventions: HTTP)."""

    code: ClassVar[str]
    status: ClassVar[int]
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, details: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details or {}
        self.headers = headers or {}


class MalformedBody(RequestError):
    """The body is no JSON that the bridge reads."""

    code = "MALFORMED_BODY"
    status = 400


class Unauthorized(RequestError):
    """A credential or signature is missing, wrong or expired; `headers` carries `WWW-Authenticate`."""

    code = "UNAUTHORIZED"
    status = 401

    def __init__(self, message: str, *, challenge: str = 'Bearer realm="omninode-bridge"') -> None:
        super().__init__(message, headers={"WWW-Authenticate": challenge})


class Forbidden(RequestError):
    """The credential is good, but lacks the scope of the route: `details` has `required` and `granted`."""

    code = "FORBIDDEN"
    status = 403

    def __init__(self, required: str, granted: Iterable[str]) -> None:
        super().__init__(
            f"The credential lacks the scope {required}", details={"required": required, "granted": sorted(granted)}
        )


class NotFound(RequestError):
    """Unknown path or entity."""

    code = "NOT_FOUND"
    status = 404


class MethodNotAllowed(RequestError):
    """The path exists, the method does not; `headers` carries `Allow`."""

    code = "METHOD_NOT_ALLOWED"
    status = 405


class Conflict(RequestError):
    """The state of what is asked for forbids it; `details` says more."""

    code = "CONFLICT"
    status = 409


class RequestInProgress(RequestError):
    """Another request with the same idempotency key is still being handled; `headers` carries `Retry-After`."""

    code = "REQUEST_IN_PROGRESS"
    status = 409
    retryable = True

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)})


class PayloadTooLarge(RequestError):
    """The body is over the limit of its route, or the broker refuses the record's size."""

    code = "PAYLOAD_TOO_LARGE"
    status = 413


class UnsupportedMediaType(RequestError):
    """The content type is not JSON."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


class ValidationError(RequestError):
    """The body, a query parameter or a header breaks its contract; `errors` names every field found wrong."""

    code = "VALIDATION_ERROR"
    status = 422

    def __init__(self, errors: Sequence[FieldError], *, details: dict[str, Any] | None = None) -> None:
        first = errors[0]
        super().__init__(
            f"{first.path}: {first.message}",
            details={"errors": [error._asdict() for error in errors], **(details or {})},
        )
        self.errors = tuple(errors)


class InvalidHookType(ValidationError):
    """The hook type is unknown to this route; `details.allowed` lists those it takes."""

    code = "INVALID_HOOK_TYPE"


class IdempotencyKeyReused(RequestError):
    """The idempotency key came before with another body."""

    code = "IDEMPOTENCY_KEY_REUSED"
    status = 422


class RateLimited(RequestError):
    """More requests than the limit allows; `headers` carries `Retry-After`, in whole seconds of at least 1."""

    code = "RATE_LIMITED"
    status = 429
    retryable = True

    def __init__(self, message: str, *, retry_after: int, details: dict[str, Any] | None = None) -> None:
        super().__init__(message, details=details, headers={"Retry-After": str(retry_after)})


class InternalError(RequestError):
    """A defect of the bridge; logged with the trace id, told without a stack trace."""

    code = "INTERNAL_ERROR"
    status = 500
    retryable = True


class ServiceUnavailable(RequestError):
    """A needed store is down, or the worker is starting, stopping or at a limit; `headers` carries `Retry-After`."""

    code = "SERVICE_UNAVAILABLE"
    status = 503
    retryable = True

    def __init__(self, message: str, *, retry_after: int = 1, details: dict[str, Any] | None = None) -> None:
        super().__init__(message, details=details, headers={"Retry-After": str(retry_after)})


class PoisonRecord(BridgeError):
    """A record that can never be handled.

    `error_type` is one of NULL_VALUE, INVALID_UTF8, INVALID_JSON, NOT_AN_OBJECT, MISSING_EVENT_TYPE,
    INVALID_PAYLOAD, UNSUPPORTED_VALUE, ROW_REJECTED; `context` holds what is known of `path`, `table`, `column`,
    `constraint` and `sqlstate`.
    """

    def __init__(self, error_type: str, message: str, context: dict[str, Any] | None = None) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message
        self.context = context or {}


class DatabaseFailure(BridgeError):
    """A statement that Postgres refused, or did not get.

    `sqlstate` is None when the connection was lost or timed out; `context` holds what is known of `table`, `column`,
    `constraint` and `sqlstate`.
    """

    def __init__(self, sqlstate: str | None, message: str, context: dict[str, Any] | None = None) -> None:
        super().__init__(f"Postgres refused: {sqlstate} {message}" if sqlstate else f"Postgres is away: {message}")
        self.sqlstate = sqlstate
        self.message = message
        self.context = context or {}


class DependencyRefusal(BridgeError):
    """A dependency is well, but refuses what the worker needs of it: an operator is needed, no breaker opens."""


class CircuitOpenError(BridgeError):
    """The circuit breaker `name` refused a call, no I/O was done; try again after `retry_after_seconds`."""

    def __init__(self, name: str, retry_after_seconds: float) -> None:
        super().__init__(f"circuit breaker {name} is open, try again in {retry_after_seconds:.1f} s")
        self.name = name
        self.retry_after_seconds = retry_after_seconds

    def unavailable(self, dependency: str) -> ServiceUnavailable:
        """Return what a request that needs the dependency is answered."""
        return ServiceUnavailable(f"{dependency} is away: {self}", retry_after=math.ceil(self.retry_after_seconds))


class MigrationError(BridgeError):
    """A migration fails, was changed after it was applied, or is not allowed to run; the message names it."""


class Fenced(BridgeError):
    """This worker may no longer own the partition: nothing may be written, the process stops."""


class StateDamaged(BridgeError):
    """A file of the local state cannot be read: the process stops, and its next start reads the changelog instead."""


class StartError(BridgeError):
    """The process must not run: one line says why, and it ends with `exit_code`."""

    exit_code: ClassVar[int]


class SettingsError(StartError):
    """A setting is wrong; the message names the variable."""

    exit_code = 2


class StateMismatch(StartError):
    """Topics or state contradict each other; the message names what, what was expected and the cure."""

    exit_code = 3
