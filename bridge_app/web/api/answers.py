"""The wrapper of every JSON answer, as types: `web/answers.py` writes it."""

from typing import Annotated, Any, Final

import msgspec

from bridge_app import __version__

Timestamp = Annotated[
    str,
    msgspec.Meta(
        description="RFC 3339, UTC, six fraction digits",
        examples=["2024-01-15T10:30:00.500000Z"],
        extra_json_schema={"format": "date-time"},
    ),
]


class Metadata(msgspec.Struct):
    """About the answer: the request's id, when it was written, how long the worker took, and the bridge's release."""

    request_id: str
    timestamp: Timestamp
    processing_time_ms: float
    version: str


class Problem(msgspec.Struct):
    """Why a request was not handled. `code` is for programs; the worker's log has `trace_id`."""

    code: str
    message: str
    details: dict[str, Any]
    trace_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]


class Pagination(msgspec.Struct):
    """Where a page ends: `next_cursor` is null on the last one."""

    limit: int
    has_more: bool
    next_cursor: str | None


EXAMPLE_METADATA: Final = {
    "request_id": "0f1a7d3e-3c4b-4a55-9d0e-2b7c6f1a9e10",
    "timestamp": "2024-01-15T10:30:00.512000Z",
    "processing_time_ms": 4.4,
    "version": __version__,
}
EXAMPLE_TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
