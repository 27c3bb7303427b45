"""Kinds of columns: how a JSON value is checked and turned into what the column takes (database-adapter §4).

A reader raises ValueError for a value of the wrong type, or one that the column has no room for.
"""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from bridge_app import ids
from bridge_app.timestamps import parse_us, to_datetime

SMALLEST_INTEGER, LARGEST_INTEGER = -(2**31), 2**31 - 1
LARGEST_BIGINT = 2**63 - 1
#: How many texts a column keeps that holds a sample.
SAMPLE = 100
#: Numbers from here on are milliseconds, below they are seconds (conventions §1).
FIRST_MILLISECONDS = 1e11


class Kind(NamedTuple):
    """`type` is the column's type in Postgres, `read` returns the value for it."""

    type: str
    read: Callable[[Any], Any]


def text(longest: int | None = None, shortest: int = 0) -> Kind:
    """A text of so many characters."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or len(value) < shortest or (longest is not None and len(value) > longest):
            raise ValueError("text")
        return value

    return Kind("text", read)


def integer(least: int = SMALLEST_INTEGER, *, big: bool = False) -> Kind:
    """A whole number from `least` on; of 64 bits when it is `big`, else of 32."""
    largest = LARGEST_BIGINT if big else LARGEST_INTEGER

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= largest:
            raise ValueError("integer")
        return value

    return Kind("bigint" if big else "integer", read)


def number(least: float = -math.inf, largest: float = math.inf) -> Kind:
    """A finite number within bounds."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("number")
        if not math.isfinite(value) or not least <= value <= largest:
            raise ValueError("number")
        return float(value)

    return Kind("float8", read)


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        return to_datetime(parse_us(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("time")
    try:
        return to_datetime(round(value * (1e3 if abs(value) >= FIRST_MILLISECONDS else 1e6)))
    except OverflowError as error:
        raise ValueError("time") from error


def _message(value: Any) -> str:
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def _json(*types: type) -> Kind:
    def read(value: Any) -> str:
        if not isinstance(value, types):
            raise ValueError("json")
        return orjson.dumps(value).decode()

    return Kind("jsonb", read)


def _sample(value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("texts")
    return orjson.dumps(value[:SAMPLE]).decode()


def _uuid(value: Any) -> str:
    found = ids.canonical(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("uuid")
    return found


TEXT = text()
NAME = text(shortest=1)
#: Text, or an object that stands for one: as JSON.
MESSAGE = Kind("text", _message)
MOMENT = Kind("timestamptz", _moment)
#: UTC, for columns without zone.
PLAIN_MOMENT = Kind("timestamp", lambda value: _moment(value).replace(tzinfo=None))
UUID = Kind("uuid", _uuid)
OBJECT = _json(dict)
LIST = _json(list)
JSON = _json(dict, list)
ANY_JSON = _json(object)
#: The first texts of a list.
SAMPLE_OF_TEXTS = Kind("text[]", _sample)
