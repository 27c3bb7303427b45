"""What a client may ask of the patterns (intelligence §8): filters, order, pages."""

import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from bridge_app import ids
from bridge_app.errors import FieldError, ValidationError
from bridge_app.events.intelligence import SEVERITIES, STATUSES, Pattern

T = TypeVar("T")

HOUR_US = 3_600_000_000
DEFAULT_WINDOW = "24"
LONGEST_WINDOW_HOURS = 2160
DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000
CURSOR_US = 10 * 60 * 1_000_000
#: What is shown when no status is asked for.
VISIBLE = ("active", "resolved")

_HOURS_PER_UNIT = {"": 1.0, "m": 1 / 60, "h": 1.0, "d": 24.0}
_WINDOW = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([mhd]?)\Z", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,18})?\Z", re.ASCII)
_INTEGER = re.compile(r"\d{1,9}\Z", re.ASCII)

#: The place of a pattern in the order of answers, smallest first: confidence and number of services falling, latest
#: first, then the id.
Place = tuple[float, int, int, str]


def place_of(pattern: Pattern) -> Place:
    """Return where a pattern stands in the order of answers."""
    return (-pattern.confidence_score, -pattern.affected_services_total, -pattern.last_seen_us, pattern.uuid)


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """Where a page ended, of which question, and when it was handed out; `end_us` keeps the window where it was."""

    issued_us: int
    end_us: int
    question: str
    place: Place

    def encode(self) -> str:
        """Return the opaque text a client sends back."""
        return urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


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
        return Cursor(now_us, self.end_us, self.question, place_of(last)).encode()


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
    read = _Parameters(params)
    query = PatternQuery(
        end_us=now_us,
        window_us=read.value("time_window", _window_us, DEFAULT_WINDOW),
        pattern_type=read.value("pattern_type", _name, None),
        service=read.value("service", _name, None),
        tool=read.value("tool", _name, None),
        statuses=read.value("status", _statuses, None) or VISIBLE,
        min_confidence=read.value("min_confidence", _confidence, "0"),
        severity=read.value("severity", _severity, None),
        limit=read.value("limit", _limit, str(DEFAULT_LIMIT)),
    )
    cursor = read.value("cursor", lambda text: _cursor(text, query, now_us), None)
    if read.errors:
        raise ValidationError(read.errors)
    return query if cursor is None else msgspec.structs.replace(query, end_us=cursor.end_us, after=cursor.place)


class _Parameters:
    def __init__(self, params: Mapping[str, str]) -> None:
        self._params = params
        self.errors: list[FieldError] = []

    def value(self, name: str, parse: Callable[[str], T], default: str | None) -> T | Any:
        text = self._params.get(name, default)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.errors.append(FieldError(f"query.{name}", str(error)))
            return None


def _window_us(text: str) -> int:
    match = _WINDOW.match(text)
    hours = float(match[1]) * _HOURS_PER_UNIT[match[2]] if match else math.nan
    if not 0 < hours <= LONGEST_WINDOW_HOURS:
        raise ValueError(f"Expected hours above 0 and up to {LONGEST_WINDOW_HOURS}, or a duration such as 30m, 24h, 7d")
    return max(1, round(hours * HOUR_US))


def _name(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("Expected text without U+0000 and without lone surrogates")
    return text


def _statuses(text: str) -> tuple[str, ...]:
    if text == "all":
        return STATUSES
    if text not in STATUSES:
        raise ValueError(f"Expected one of {', '.join(STATUSES)}, all")
    return (text,)


def _severity(text: str) -> str:
    if text not in SEVERITIES:
        raise ValueError(f"Expected one of {', '.join(SEVERITIES)}")
    return text


def _confidence(text: str) -> float:
    if not _NUMBER.match(text) or float(text) > 1:
        raise ValueError("Expected a number from 0 to 1")
    return float(text)


def _limit(text: str) -> int:
    if not _INTEGER.match(text) or not 1 <= int(text) <= LARGEST_LIMIT:
        raise ValueError(f"Expected a whole number from 1 to {LARGEST_LIMIT}")
    return int(text)


def _cursor(text: str, query: PatternQuery, now_us: int) -> Cursor:
    try:
        cursor = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Cursor)
    except ValueError as error:
        raise ValueError("Expected a cursor of an earlier answer") from error
    if now_us - cursor.issued_us > CURSOR_US:
        raise ValueError("The cursor has expired, it is valid for 10 minutes")
    if cursor.question != query.question:
        raise ValueError("The cursor belongs to other filters")
    return cursor


def _question(query: PatternQuery) -> str:
    return ids.name_based(
        query.window_us, query.pattern_type, query.service, query.tool, query.statuses, query.min_confidence,
        query.severity,
    )  # fmt: skip
