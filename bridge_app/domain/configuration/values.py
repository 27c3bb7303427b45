"""How the text of a value is read (configuration §2): as JSON if it is JSON, then as its key has it."""

import json
import re
from typing import Any, TypeAlias

from bridge_app.json_values import refuse_constant
from bridge_app.settings.texts import Kind

Value: TypeAlias = bool | int | float | str

_WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")


def read_value(kind: Kind, raw: bytes) -> Value:
    """Return the value that some bytes in Consul stand for.

    Raises:
        ValueError: they stand for none of this kind; the message says what was expected.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise ValueError("Expected UTF-8 text") from error
    try:
        parsed = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        parsed = text
    return convert(kind, parsed)


def convert(kind: Kind, value: Any) -> Value:
    """Return a JSON value as its key has it: `"2"`, 2 and 2.0 are the whole number 2; true is no number.

    Raises:
        ValueError: it cannot be converted, or is out of range; the message says what was expected.
    """
    try:
        converted: Value = plain(kind.read(_text(value)))
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"Expected {kind.expected}") from error
    return converted


def plain(value: Any) -> Any:
    """Return a value as people write it: a whole number without a fraction."""
    return int(value) if type(value) is float and value.is_integer() else value


def is_blank(raw: bytes) -> bool:
    """Tell whether a value counts as absent."""
    return not raw.strip()


def _text(value: Any) -> str:
    """Return the text of a JSON value, TypeError when it is null, a list or an object."""
    if isinstance(value, str):
        text = value.strip()
        whole = _WHOLE.fullmatch(text)
        return whole[1] if whole else text
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(plain(value))
    raise TypeError(value)
