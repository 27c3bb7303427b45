"""Kinds of columns: how a JSON value is checked and turned into what the column takes (database-adapter §4).

A reader raises ValueError for a value of the wrong type. What is too long, too large or forbidden by a constraint is
for Postgres to refuse, but where a kind is given bounds.
"""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from bridge_app import ids
from bridge_app.timestamps import number_us, parse_us, to_datetime

#: How many texts a column keeps that holds a sample.
SAMPLE = 100


class Kind(NamedTuple):
    """`type` is the column's type in Postgres, `read` returns the value for it."""

    type: str
    read: Callable[[Any], Any]


def text(longest: int | None = None, shortest: int = 0) -> Kind:
    """A text, of any length unless it says otherwise."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or len(value) < shortest or (longest is not None and len(value) > longest):
            raise ValueError("text")
        return value

    return Kind("text", read)


def integer(least: float = -math.inf, *, big: bool = False) -> Kind:
    """A whole number from `least` on; the column has 64 bits when it is `big`, else 32."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError("integer")
        return value

    return Kind("bigint" if big else "integer", read)


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        return to_datetime(parse_us(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("time")
    try:
        return to_datetime(number_us(value))
    except OverflowError as error:
        raise ValueError("time") from error


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("number")
    return float(value)


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
NUMBER = Kind("float8", _number)
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
