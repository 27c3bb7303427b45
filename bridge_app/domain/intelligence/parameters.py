"""The query parameters of the patterns (intelligence §8): how each is read, and how it is documented."""

import math
import re

from bridge_app.events.intelligence import SEVERITIES, STATUSES
from bridge_app.parameters import Parameter

HOUR_US = 3_600_000_000
DEFAULT_WINDOW = "24"
LONGEST_WINDOW_HOURS = 2160
DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000
#: What is shown when no status is asked for.
VISIBLE = ("active", "resolved")

_HOURS_PER_UNIT = {"": 1.0, "m": 1 / 60, "h": 1.0, "d": 24.0}
_WINDOW_PATTERN = r"^([0-9]{1,9}(?:\.[0-9]{1,9})?)([mhd]?)$"
_WINDOW = re.compile(_WINDOW_PATTERN.replace("$", r"\Z"))
_NAME_PATTERN = r"^[^\u0000]*$"
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,18})?\Z", re.ASCII)
_INTEGER = re.compile(r"\d{1,9}\Z", re.ASCII)


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


TIME_WINDOW = Parameter(
    "time_window",
    _window_us,
    {"type": "string", "pattern": _WINDOW_PATTERN},
    f"How far back, by `last_seen`: hours, or a duration such as 30m, 24h, 7d; up to {LONGEST_WINDOW_HOURS} hours.",
    DEFAULT_WINDOW,
    ("24", "30m", "7d"),
)
_NAME_SCHEMA = {"type": "string", "pattern": _NAME_PATTERN}
PATTERN_TYPE = Parameter(
    "pattern_type", _name, _NAME_SCHEMA, "Only this type.", examples=("service_initialization", "startup_performance")
)
SERVICE = Parameter("service", _name, _NAME_SCHEMA, "Only patterns that affect this service.", examples=("shop",))
TOOL = Parameter("tool", _name, _NAME_SCHEMA, "Only patterns that affect this tool.", examples=("resize",))
STATUS = Parameter(
    "status",
    _statuses,
    {"type": "string", "enum": [*STATUSES, "all"]},
    f"Only this status; without it, {' and '.join(VISIBLE)}.",
    examples=("all",),
)
MIN_CONFIDENCE = Parameter(
    "min_confidence",
    _confidence,
    {"type": "number", "minimum": 0, "maximum": 1},
    "Only patterns at least so sure.",
    "0",
    ("0.7",),
)
SEVERITY = Parameter(
    "severity", _severity, {"type": "string", "enum": list(SEVERITIES)}, "Only this severity.", examples=("high",)
)
LIMIT = Parameter(
    "limit",
    _limit,
    {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT},
    "Patterns per page.",
    str(DEFAULT_LIMIT),
    ("10",),
)
