"""GET /intelligence/patterns and GET /intelligence/patterns/{pattern_id}, described."""

from typing import Annotated, Any, Final, Literal

import msgspec

from bridge_app.domain.intelligence.queries import PARAMETERS
from bridge_app.errors import NotFound, ValidationError
from bridge_app.web.api.answers import Pagination, Timestamp
from bridge_app.web.api.operation import Operation

PatternId = Annotated[str, msgspec.Meta(pattern="^pattern_[0-9a-f-]{36}$")]
Confidence = Annotated[float, msgspec.Meta(ge=0, le=1)]
Status = Literal["active", "resolved", "dismissed"]


class Pattern(msgspec.Struct):
    """What was found, at its latest revision. `evidence` is what it rests on; at most 100 names are listed."""

    pattern_id: PatternId
    pattern_type: str
    confidence_score: Confidence
    discovery_time: Timestamp
    last_seen: Timestamp
    status: Status
    severity: Literal["low", "medium", "high", "critical"] | None
    phase: str | None
    revision: int
    occurrences: int
    affected_services: list[str]
    affected_services_total: int
    affected_tools: list[str]
    affected_tools_total: int
    description: str
    recommendations: Annotated[
        list[dict[str, Any]],
        msgspec.Meta(
            description="The bridge's own have `type`, `description` and `priority`; other producers' are kept"
        ),
    ]
    environment: str
    series: str | None
    evidence: dict[str, Any]


class Revision(msgspec.Struct):
    """One change of a pattern."""

    revision: int
    time: Timestamp
    confidence: Confidence
    status: Status


class PatternWithHistory(Pattern):
    """A pattern and its last 50 revisions, oldest first."""

    history: list[Revision]


class Window(msgspec.Struct):
    """The time a list is about, by `last_seen`."""

    start_time: Timestamp
    end_time: Timestamp


class PatternList(msgspec.Struct):
    """One page of patterns, the surest first; `total_patterns` counts all pages."""

    patterns: list[Pattern]
    total_patterns: int
    analysis_window: Window
    pagination: Pagination


_EXAMPLE: Final[dict[str, Any]] = {
    "pattern_id": "pattern_63ac9d0c-1f5b-5b8e-9a1d-6f4bb1f0c0aa",
    "pattern_type": "service_initialization",
    "confidence_score": 0.6667,
    "discovery_time": "2024-01-15T10:30:00.500000Z",
    "last_seen": "2024-01-15T10:30:00.500000Z",
    "status": "active",
    "severity": None,
    "phase": "observed",
    "revision": 1,
    "occurrences": 1,
    "affected_services": ["shop"],
    "affected_services_total": 1,
    "affected_tools": [],
    "affected_tools_total": 0,
    "description": "Service shop initialized in 2500 ms",
    "recommendations": [],
    "environment": "development",
    "series": None,
    "evidence": {"starts_seen": 1, "startup_time_ms": 2500},
}

PATTERNS: Final = Operation(
    tag="intelligence",
    summary="The patterns of a time window, the surest first",
    description="Windows of up to 24 hours are answered from memory, longer ones from Postgres.",
    query=PARAMETERS,
    answer=PatternList,
    errors=(ValidationError,),
    scope="intelligence:read",
    example={
        "patterns": [_EXAMPLE],
        "total_patterns": 1,
        "analysis_window": {"start_time": "2024-01-14T10:31:00.000000Z", "end_time": "2024-01-15T10:31:00.000000Z"},
        "pagination": {"limit": 100, "has_more": False, "next_cursor": None},
    },
)

ONE_PATTERN: Final = Operation(
    tag="intelligence",
    summary="One pattern and how it came about",
    path={
        "pattern_id": {
            "type": "string",
            "description": "`pattern_<uuid>` or the bare UUID",
            "examples": ["pattern_63ac9d0c-1f5b-5b8e-9a1d-6f4bb1f0c0aa"],
        }
    },
    answer=PatternWithHistory,
    errors=(NotFound,),
    scope="intelligence:read",
    example={
        **_EXAMPLE,
        "history": [{"revision": 1, "time": "2024-01-15T10:30:00.500000Z", "confidence": 0.6667, "status": "active"}],
    },
)
