"""The query parameters of the patterns (intelligence §8): how each is read, and how it is documented."""

import math
import re

from bridge_app.events.intelligence import SEVERITIES, STATUSES
from bridge_app.parameters import Parameter, limit_parameter, text_parameter

HOUR_US = 3_600_000_000
DEFAULT_WINDOW = "24"
LONGEST_WINDOW_HOURS = 2160
#: What is shown when no status is asked for.
VISIBLE = ("active", "resolved")

_HOURS_PER_UNIT = {"": 1.0, "m": 1 / 60, "h": 1.0, "d": 24.0}
#: A decimal number; its value may still be infinite.
_DECIMAL = r"(?:[0-9]{1,9}(?:\.[0-9]{1,18})?|\.[0-9]{1,18})(?:[eE][+-]?[0-9]{1,3})?"
_WINDOW_PATTERN = f"^({_DECIMAL})([mhd]?)$"
_WINDOW = re.compile(_WINDOW_PATTERN.replace("$", r"\Z"))
_NUMBER = re.compile(rf"{_DECIMAL}\Z")


def _window_us(text: str) -> int:
    match = _WINDOW.match(text)
    hours = float(match[1]) * _HOURS_PER_UNIT[match[2]] if match else math.nan
    if not 0 < hours <= LONGEST_WINDOW_HOURS:
        raise ValueError(f"Expected hours above 0 and up to {LONGEST_WINDOW_HOURS}, or a duration such as 30m, 24h, 7d")
    return max(1, round(hours * HOUR_US))


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


TIME_WINDOW = Parameter(
    "time_window",
    _window_us,
    {"type": "string", "pattern": _WINDOW_PATTERN},
    f"How far back, by `last_seen`: hours, or a duration such as 30m, 24h, 7d; up to {LONGEST_WINDOW_HOURS} hours.",
    DEFAULT_WINDOW,
    ("24", "30m", "7d"),
)
PATTERN_TYPE = text_parameter("pattern_type", "Only this type.", "service_initialization", "startup_performance")
SERVICE = text_parameter("service", "Only patterns that affect this service.", "shop")
TOOL = text_parameter("tool", "Only patterns that affect this tool.", "resize")
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
LIMIT = limit_parameter("Patterns per page.")
