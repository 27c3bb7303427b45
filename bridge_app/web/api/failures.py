"""The answers to requests that are not handled, made of the error tree: codes, statuses, meanings."""

from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from typing import Any, Final

from bridge_app.domain.access import is_open
from bridge_app.errors import (
    Conflict,
    FieldError,
    Forbidden,
    IdempotencyKeyReused,
    InternalError,
    InvalidHookType,
    MalformedBody,
    NotFound,
    RateLimited,
    RequestError,
    RequestInProgress,
    ServiceUnavailable,
    Unauthorized,
    ValidationError,
)
from bridge_app.json_schema import Schema
from bridge_app.web.admission import UNLIMITED
from bridge_app.web.api.answers import EXAMPLE_METADATA, EXAMPLE_TRACE_ID
from bridge_app.web.api.operation import Operation

_EXAMPLES: Final[Mapping[type[RequestError], RequestError]] = {
    MalformedBody: MalformedBody("The body is empty, expected JSON"),
    Unauthorized: Unauthorized("Expected an API key or a token"),
    Forbidden: Forbidden("hooks:write", ["hooks:read", "intelligence:read"]),
    NotFound: NotFound("There is no pattern pattern_nope"),
    ValidationError: ValidationError([FieldError("$.service_info.port", "Expected int")]),
    InvalidHookType: InvalidHookType(
        [FieldError("$.hook_type", "Expected one of health_changed, service_started, service_stopped")],
        details={"allowed": ["health_changed", "service_started", "service_stopped"]},
    ),
    Conflict: Conflict("1 message is not pending", details={"messages": ["hooks.service_lifecycle.dlq:3:42"]}),
    RequestInProgress: RequestInProgress("The first request with this idempotency key is still being handled"),
    IdempotencyKeyReused: IdempotencyKeyReused("This idempotency key came before with another body"),
    RateLimited: RateLimited("More than 600 requests per minute", retry_after=1, details={"limit_per_minute": 600}),
    InternalError: InternalError("Internal error"),
    ServiceUnavailable: ServiceUnavailable("The worker is shutting down"),
}
_HEADERS: Final[Mapping[int, Mapping[str, Schema]]] = {
    401: {"WWW-Authenticate": {"type": "string"}},
    405: {"Allow": {"type": "string"}},
    409: {"Retry-After": {"type": "integer", "minimum": 1, "description": "Seconds; where waiting helps"}},
    429: {"Retry-After": {"type": "integer", "minimum": 1, "description": "Seconds"}},
    503: {"Retry-After": {"type": "integer", "minimum": 1, "description": "Seconds"}},
}


def tree(root: type[RequestError] = RequestError) -> Iterator[type[RequestError]]:
    """Yield every error that a request can be answered with."""
    for error in root.__subclasses__():
        yield error
        yield from tree(error)


def everywhere(path: str, operation: Operation) -> Sequence[type[RequestError]]:
    """Return the errors that a route may meet like any other: credentials, limits, bad headers, a defect, a stop."""
    return (
        *(() if is_open(path) else (Unauthorized, Forbidden)),
        *((RequestInProgress, IdempotencyKeyReused) if operation.idempotent else ()),
        *(() if path in UNLIMITED else (RateLimited,)),
        ValidationError,
        InternalError,
        ServiceUnavailable,
    )


def wrapped(data: Schema) -> Schema:
    """Return the schema of the answer to a request that was handled."""
    return _wrapper({"const": True}, data, {"type": "null"})


def handled(data: Any) -> dict[str, Any]:
    """Return an example of such an answer."""
    return {"success": True, "data": data, "error": None, "metadata": EXAMPLE_METADATA}


def response(errors: Sequence[type[RequestError]], data: Schema | None = None) -> Schema:
    """Return the Response Object for some errors of one status; `data` is null unless it is given."""
    codes = [error.code for error in errors]
    problem = {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"code": {"enum": codes}}}]}
    content: Schema = {"schema": _wrapper({"const": False}, data or {"type": "null"}, problem)}
    examples = {error.code: {"value": _example(_EXAMPLES[error])} for error in errors if error in _EXAMPLES}
    if examples and data is None:
        content["examples"] = examples
    headers = {name: {"schema": schema} for name, schema in _HEADERS.get(errors[0].status, {}).items()}
    return {
        "description": "\n\n".join(_meaning(error) for error in errors),
        **({"headers": headers} if headers else {}),
        "content": {"application/json": content},
    }


def _wrapper(success: Schema, data: Schema, error: Schema) -> Schema:
    properties = {
        "success": success,
        "data": data,
        "error": error,
        "metadata": {"$ref": "#/components/schemas/Metadata"},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _meaning(error: type[RequestError]) -> str:
    text = " ".join(cleandoc(error.__doc__ or "").split("\n\n")[0].split())
    return f"`{error.code}`: {text}" + (" The same request may succeed later." if error.retryable else "")


def _example(error: RequestError) -> dict[str, Any]:
    problem = {"code": error.code, "message": error.message, "details": error.details, "trace_id": EXAMPLE_TRACE_ID}
    return {"success": False, "data": None, "error": problem, "metadata": EXAMPLE_METADATA}
