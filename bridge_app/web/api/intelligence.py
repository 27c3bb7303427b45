"""GET /intelligence/patterns, GET /intelligence/patterns/{pattern_id} and GET /intelligence/baselines, described."""

from typing import Annotated, Any, Final, Literal

import msgspec

from bridge_app.domain.intelligence.baselines import FILTERS
from bridge_app.domain.intelligence.queries import PARAMETERS
from bridge_app.errors import MalformedBody, NotFound, PayloadTooLarge, UnsupportedMediaType, ValidationError
from bridge_app.events.feedback import FEEDBACK_BODY
from bridge_app.json_schema import Schema
from bridge_app.timestamps import format_us
from bridge_app.web.api import examples
from bridge_app.web.api.answers import Pagination, Timestamp
from bridge_app.web.api.operation import Body, Operation

PatternId = Annotated[str, msgspec.Meta(pattern="^pattern_[0-9a-f-]{36}$")]
Confidence = Annotated[float, msgspec.Meta(ge=0, le=1)]
Status = Literal["active", "resolved", "dismissed"]


class PatternBase(msgspec.Struct):
    """What was found, at one revision; at most 100 names are listed, `…_total` counts all."""

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


class Pattern(PatternBase):
    """What was found, at its latest revision. `evidence` is what it rests on; at most 100 names are listed."""

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


class Baseline(msgspec.Struct):
    """What is usual for one metric of a series, in the unit of its name; of the last values `flagged` were not. Without
    `upper_limit` too little is known yet.
    """

    series: str
    metric: str
    samples: int
    median: float | None
    mad: float | None
    max: float | None
    upper_limit: float | None
    flagged: int
    last_seen: Timestamp


class BaselineList(msgspec.Struct):
    """One entry per metric, by series."""

    baselines: list[Baseline]


class FeedbackReceipt(msgspec.Struct):
    """A verdict that was accepted; the owner of the pattern's series applies it."""

    pattern_id: PatternId
    verdict: Literal["false_positive", "confirmed"]
    event_published: bool


def _example_list() -> dict[str, Any]:
    patterns, total = examples.pattern_page()
    return {
        "patterns": patterns,
        "total_patterns": total,
        "analysis_window": {
            "start_time": format_us(examples.START_US - 23 * examples.HOUR_US),
            "end_time": format_us(examples.START_US + examples.HOUR_US),
        },
        "pagination": {"limit": 100, "has_more": False, "next_cursor": None},
    }


PATTERNS: Final = Operation(
    tag="intelligence",
    summary="The patterns of a time window, the surest first",
    description="Windows of up to 24 hours are answered from memory, longer ones from Postgres.",
    query=PARAMETERS,
    answer=PatternList,
    errors=(ValidationError,),
    example=_example_list,
)

_PATTERN_ID: Final[Schema] = {
    "type": "string",
    "description": "`pattern_<uuid>` or the bare UUID",
    "examples": ["pattern_ba9cdfc5-67a3-5b8d-b0c1-b690b221f7d8"],
}

ONE_PATTERN: Final = Operation(
    tag="intelligence",
    summary="One pattern and how it came about",
    path={"pattern_id": _PATTERN_ID},
    answer=PatternWithHistory,
    errors=(NotFound,),
    example=examples.pattern_with_history,
)

BASELINES: Final = Operation(
    tag="intelligence",
    summary="What is usual for the metrics of tools and services",
    description="Answered from memory; a snapshot of a series is at most a second old.",
    query=FILTERS,
    answer=BaselineList,
    errors=(ValidationError,),
    example=examples.baselines,
)

FEEDBACK: Final = Operation(
    tag="intelligence",
    summary="Say whether a pattern is one",
    description=(
        "A false positive is dismissed, and hidden from lists; what was out of the usual counts as usual from now on, "
        "and the pattern does not come back. `confirmed` changes nothing."
    ),
    body=Body(
        FEEDBACK_BODY.schema(),
        {
            "false_positive": {"verdict": "false_positive", "comment": "the nightly job"},
            "confirmed": {"verdict": "confirmed"},
        },
    ),
    path={"pattern_id": _PATTERN_ID},
    answer=FeedbackReceipt,
    idempotent=True,
    errors=(NotFound, MalformedBody, PayloadTooLarge, UnsupportedMediaType, ValidationError),
    example=lambda: {
        "pattern_id": examples.pattern_with_history()["pattern_id"],
        "verdict": "false_positive",
        "event_published": True,
    },
)
