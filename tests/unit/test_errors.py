"""Every error that a request can be answered with has the code and status of conventions §5."""

import pytest

from bridge_app.errors import (
    Forbidden,
    RateLimited,
    RequestError,
    RequestInProgress,
    ServiceUnavailable,
    Unauthorized,
)
from bridge_app.web.api.failures import tree

#: code → (status, retryable)
CODES = {
    "MALFORMED_BODY": (400, False),
    "UNAUTHORIZED": (401, False),
    "FORBIDDEN": (403, False),
    "NOT_FOUND": (404, False),
    "METHOD_NOT_ALLOWED": (405, False),
    "CONFLICT": (409, False),
    "REQUEST_IN_PROGRESS": (409, True),
    "PAYLOAD_TOO_LARGE": (413, False),
    "UNSUPPORTED_MEDIA_TYPE": (415, False),
    "VALIDATION_ERROR": (422, False),
    "INVALID_HOOK_TYPE": (422, False),
    "IDEMPOTENCY_KEY_REUSED": (422, False),
    "RATE_LIMITED": (429, True),
    "INTERNAL_ERROR": (500, True),
    "UPSTREAM_ERROR": (500, True),
    "TIMEOUT": (500, True),
    "CIRCUIT_OPEN": (500, True),
    "SERVICE_UNAVAILABLE": (503, True),
}


@pytest.mark.parametrize("error", list(tree()), ids=lambda error: error.__name__)
def test_an_error_has_the_status_of_its_code(error: type[RequestError]) -> None:
    assert (error.status, error.retryable) == CODES[error.code]


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (Unauthorized("x"), "WWW-Authenticate"),
        (RequestInProgress("x"), "Retry-After"),
        (RateLimited("x", retry_after=1), "Retry-After"),
        (ServiceUnavailable("x"), "Retry-After"),
    ],
)
def test_an_error_carries_the_header_of_its_code(error: RequestError, header: str) -> None:
    assert error.headers[header]


def test_a_refused_credential_is_told_what_it_lacks_and_has() -> None:
    assert Forbidden("b:write", {"c:read", "a:read"}).details == {
        "required": "b:write",
        "granted": ["a:read", "c:read"],
    }
