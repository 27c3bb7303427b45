"""What a client may ask of the patterns (intelligence §8): filters, order, pages."""

from collections.abc import Mapping

import msgspec

from bridge_app import ids
from bridge_app.cursors import Cursor, check_time, cursor_parameter
from bridge_app.domain.intelligence.parameters import (
    LIMIT,
    MIN_CONFIDENCE,
    PATTERN_TYPE,
    SERVICE,
    SEVERITY,
    STATUS,
    TIME_WINDOW,
    TOOL,
    VISIBLE,
)
from bridge_app.events.intelligence import Pattern
from bridge_app.parameters import DEFAULT_LIMIT, Reader

#: The place of a pattern in the order of answers, smallest first: confidence and number of services falling, latest
#: first, then the id.
Place = tuple[float, int, int, str]


def place_of(pattern: Pattern) -> Place:
    """Return where a pattern stands in the order of answers."""
    return (-pattern.confidence_score, -pattern.affected_services_total, -pattern.last_seen_us, pattern.uuid)


class PatternCursor(Cursor, array_like=True, frozen=True):
    """Where a page ended; `end_us` keeps the window where it was."""

    end_us: int
    place: Place

    def __post_init__(self) -> None:
        check_time(self.end_us)


class PatternQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One question. The window ends at `end_us` and is `window_us` long; `after` is where the page before it ended."""

    end_us: int
    window_us: int
    pattern_type: str | None = None
    service: str | None = None
    tool: str | None = None
    statuses: tuple[str, ...] = VISIBLE
    min_confidence: float = 0.0
    severity: str | None = None
    limit: int = DEFAULT_LIMIT
    after: Place | None = None

    @property
    def start_us(self) -> int:
        """When the window begins; it is about `last_seen`."""
        return self.end_us - self.window_us

    @property
    def question(self) -> str:
        """A fingerprint of the filters: a cursor belongs to one."""
        return _question(self)

    def matches(self, pattern: Pattern) -> bool:
        """Whether a pattern is part of the answer, on whatever page."""
        return (
            pattern.last_seen_us >= self.start_us
            and pattern.confidence_score >= self.min_confidence
            and pattern.status in self.statuses
            and (self.pattern_type is None or pattern.pattern_type == self.pattern_type)
            and (self.severity is None or pattern.severity == self.severity)
            and (self.service is None or self.service in pattern.affected_services)
            and (self.tool is None or self.tool in pattern.affected_tools)
        )

    def next_cursor(self, last: Pattern, now_us: int) -> str:
        """Return the cursor of the page after the one that ends with `last`."""
        return PatternCursor(now_us, self.question, self.end_us, place_of(last)).encode()


class Page(msgspec.Struct, frozen=True):
    """A part of an answer; `total` counts all that match, on whatever page."""

    patterns: list[Pattern]
    total: int
    has_more: bool


def parse_query(params: Mapping[str, str], now_us: int) -> PatternQuery:
    """Return the question of the query parameters; unknown ones are ignored.

    Raises:
        ValidationError: naming every parameter that is wrong, as `query.<name>`.
    """
    read = Reader(params)
    query = PatternQuery(
        end_us=now_us,
        window_us=read.value(TIME_WINDOW),
        pattern_type=read.value(PATTERN_TYPE),
        service=read.value(SERVICE),
        tool=read.value(TOOL),
        statuses=read.value(STATUS) or VISIBLE,
        min_confidence=read.value(MIN_CONFIDENCE),
        severity=read.value(SEVERITY),
        limit=read.value(LIMIT),
    )
    cursor: PatternCursor | None = read.value(CURSOR)
    if cursor is not None:
        read.check(CURSOR, cursor.problem(query.question, now_us))
    read.finish()
    return query if cursor is None else msgspec.structs.replace(query, end_us=cursor.end_us, after=cursor.place)


def _question(query: PatternQuery) -> str:
    return ids.name_based(
        query.window_us, query.pattern_type, query.service, query.tool, query.statuses, query.min_confidence,
        query.severity,
    )  # fmt: skip


CURSOR = cursor_parameter(PatternCursor)
#: All that `parse_query` reads.
PARAMETERS = (TIME_WINDOW, PATTERN_TYPE, SERVICE, TOOL, STATUS, MIN_CONFIDENCE, SEVERITY, LIMIT, CURSOR)
