"""JSON as the bridge takes it: strict in its syntax, and only what every store behind the bridge can hold.

Refused are NaN and Infinity, lone surrogates, too deep nesting, U+0000 in text and numbers beyond 64 bits. Postgres
cannot store U+0000, orjson writes neither longer integers nor deeper nesting than 254 levels.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, TypeAlias

import msgspec

from bridge_app.errors import FieldError, MalformedBody

BODY_LEVELS = 32
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
#: More errors of one body than this are not told: the answer stays smaller than the question.
MAX_ERRORS = 100

#: Where a value stands: the place around it and its name or index there; None is the whole body.
Place: TypeAlias = "tuple[Place, str | int] | None"

_CONTAINERS = (dict, list)
_decode = msgspec.json.Decoder().decode
_find_surrogate = re.compile(r"[\ud800-\udfff]").search


def show(place: Place) -> str:
    """Return a place as in `$.service_info.capabilities[2]`."""
    if place is None:
        return "$"
    around, name = place
    return f"{show(around)}[{name}]" if isinstance(name, int) else f"{show(around)}.{name}"


def parse_body(body: bytes, levels: int = BODY_LEVELS) -> Any:
    """Read the body of a request. Integers keep their value, also beyond 64 bits: `unstorable` finds those.

    Raises:
        MalformedBody: empty, not JSON, invalid UTF-8, a lone surrogate, NaN or Infinity, nested deeper than `levels`.
    """
    if not body:
        raise MalformedBody("The body is empty, expected JSON")
    try:
        value = _decode(body)
    except msgspec.ValidationError:
        return _parse_huge_numbers(body, levels)
    except RecursionError as error:
        raise _nested_deeper(levels) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedBody(f"The body is not valid JSON: {error}") from error
    if too_deep(body, value, levels):
        raise _nested_deeper(levels)
    return value


def _parse_huge_numbers(body: bytes, levels: int) -> Any:
    """Read a body again in which msgspec found a number out of range, so that its place can be named.

    The standard library takes lone surrogates, and msgspec may not have come so far.
    """
    try:
        value = json.loads(body, parse_int=_parse_int, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"The body is not valid JSON: {error}") from error
    if too_deep(body, value, levels):
        raise _nested_deeper(levels)
    if any(type(leaf) is str and _find_surrogate(leaf) for _, leaf in leaves(value)):
        raise MalformedBody("The body is not valid JSON: a lone surrogate")
    return value


def _parse_int(digits: str) -> float:
    return int(digits) if len(digits) < 400 else math.inf


def refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which the standard library takes for JSON."""
    raise json.JSONDecodeError("no JSON", name, 0)


def _nested_deeper(levels: int) -> MalformedBody:
    return MalformedBody(f"The body is nested deeper than {levels} levels", details={"limit": levels})


def too_deep(text: bytes, value: Any, levels: int) -> bool:
    """Tell whether the value read from `text` has more than `levels` levels of objects and arrays."""
    if text.count(b"{") + text.count(b"[") <= levels:
        return False
    containers = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(levels):
        if not containers:
            return False
        inside = chain.from_iterable(map(_items, containers))
        containers = [inner for inner in inside if isinstance(inner, _CONTAINERS)]
    return bool(containers)


def unstorable(value: Any) -> Iterator[FieldError]:
    """Find every U+0000 in text and names, and every number beyond 64 bits."""
    if _is_storable(value):  # nearly always, and found in half the time
        return
    for place, leaf in leaves(value):
        kind = type(leaf)
        if kind is str:
            if "\0" in leaf:
                yield FieldError(show(place), "Expected str without U+0000")
        elif (kind is int and not INT_MIN <= leaf <= INT_MAX) or (kind is float and not math.isfinite(leaf)):
            yield FieldError(show(place), "Expected a number of at most 64 bits")


def _is_storable(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return "\0" not in value
    if kind is dict:
        return all(map(_is_storable, value)) and all(map(_is_storable, value.values()))
    if kind is list:
        return all(map(_is_storable, value))
    if kind is int:
        return bool(INT_MIN <= value <= INT_MAX)
    return kind is not float or math.isfinite(value)


def leaves(value: Any, place: Place = None) -> Iterator[tuple[Place, Any]]:
    """Return every value that is no container, with its place; a field's name counts as a value of its object."""
    kind = type(value)
    if kind is dict:
        for name, item in value.items():
            yield place, name
            yield from leaves(item, (place, name))
    elif kind is list:
        for index, item in enumerate(value):
            yield from leaves(item, (place, index))
    else:
        yield place, value


def _items(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
