"""A query parameter as data: how its text is read, and what a reader of the documentation is told of it."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bridge_app.errors import FieldError, ValidationError
from bridge_app.json_schema import Schema
from bridge_app.timestamps import RFC3339, parse_us

LARGEST_LIMIT = 1000
DEFAULT_LIMIT = 100

_NAME_SCHEMA: Schema = {"type": "string", "pattern": r"^[^\u0000]*$"}
_INTEGER = re.compile(r"\d{1,9}\Z", re.ASCII)


class Parameter(NamedTuple):
    """One query parameter.

    `read` raises ValueError saying what was expected; `schema` describes the value that the text stands for. `default`
    is the text that an absent parameter counts as, None where it has no such text. `examples` are texts that are read.
    """

    name: str
    read: Callable[[str], Any]
    schema: Schema
    help: str
    default: str | None = None
    examples: Sequence[str] = ()


class Reader:
    """Reads parameters of one request, and collects what is wrong with them."""

    def __init__(self, params: Mapping[str, str]) -> None:
        self._params = params
        self._errors: list[FieldError] = []

    def value(self, parameter: Parameter) -> Any:
        """Return what a parameter stands for; None when it is absent and has no default, or is wrong."""
        text = self._params.get(parameter.name, parameter.default)
        if text is None:
            return None
        try:
            return parameter.read(text)
        except ValueError as error:
            self.check(parameter, str(error))
            return None

    def check(self, parameter: Parameter, problem: str | None) -> None:
        """Note a problem with a parameter, if there is one."""
        if problem is not None:
            self._errors.append(FieldError(f"query.{parameter.name}", problem))

    def finish(self) -> None:
        """Raise ValidationError, naming every parameter that is wrong as `query.<name>`."""
        if self._errors:
            raise ValidationError(self._errors)


def text_parameter(name: str, help: str, *examples: str) -> Parameter:
    """Return a parameter that is any text that can be stored."""
    return Parameter(name, _read_text, _NAME_SCHEMA, help, examples=examples)


def limit_parameter(help: str) -> Parameter:
    """Return the parameter `limit`: how many items a page has."""
    schema = {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT}
    return Parameter("limit", _read_limit, schema, help, str(DEFAULT_LIMIT), ("10",))


def choice_parameter(name: str, help: str, *words: str) -> Parameter:
    """Return a parameter that is one of some words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"Expected one of {', '.join(words)}")
        return text

    return Parameter(name, read, {"type": "string", "enum": list(words)}, help, examples=words[:1])


def time_parameter(name: str, help: str) -> Parameter:
    """Return a parameter that is a time; it is read as microseconds since the epoch."""
    schema = {"type": "string", "pattern": f"^{RFC3339}$"}
    return Parameter(name, parse_us, schema, help, examples=("2024-01-15T10:30:00Z",))


def _read_text(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("Expected text without U+0000 and without lone surrogates")
    return text


def _read_limit(text: str) -> int:
    if not _INTEGER.match(text) or not 1 <= int(text) <= LARGEST_LIMIT:
        raise ValueError(f"Expected a whole number from 1 to {LARGEST_LIMIT}")
    return int(text)
