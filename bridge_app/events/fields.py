"""Rules for the fields of a JSON object, as data: what a value must be, and under which name it is kept.

A rule reads one value: it returns the value as it is kept, which is the value itself unless a field inside was renamed,
and adds what is wrong to `errors`. All errors of a body are found in one pass. Fields without a rule are kept as they
are, but what is named as a quantity must be one: in an object that has rules, and in the objects that stand in a field
or a list without a rule. A field that is null counts as not given. Numbers are never read from text, and true is not a
number.

A rule also says what it takes as JSON Schema, which is what `/openapi.json` shows. Two things a schema cannot say: that
1.0 is no whole number, and that a date must exist.
"""

import re
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from bridge_app.errors import FieldError
from bridge_app.json_schema import Schema, any_case, nullable, present
from bridge_app.json_values import Place, show
from bridge_app.timestamps import RFC3339, parse_us

Errors = list[FieldError]

#: A field whose name ends so is a quantity.
QUANTITY_SUFFIXES = ("_ms", "_mb", "_percent", "_seconds")
QUANTITY_NAMES = f"({'|'.join(QUANTITY_SUFFIXES)})$"
MOST_ELEMENTS = 1000


class Rule(Protocol):
    """What one value must be."""

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        """Return the value as it is kept; add to `errors` what is wrong with it."""

    def schema(self) -> Schema:
        """Return the JSON Schema of the values that are read without an error."""


class Text(NamedTuple):
    """Text of `least` to `most` characters; where at least one is asked for, blanks alone are refused."""

    least: int = 0
    most: int = 4096

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is not str:
            errors.append(FieldError(show(place), "Expected str"))
        elif not self.least <= len(value) <= self.most:
            errors.append(FieldError(show(place), f"Expected str of {self.least} to {self.most} characters"))
        elif self.least and (not value or value.isspace()):
            errors.append(FieldError(show(place), "Expected str that is not blank"))
        return value

    def schema(self) -> Schema:
        filled = {"minLength": self.least, "pattern": r"\S"} if self.least else {}
        return {"type": "string", "maxLength": self.most, **filled}


class Pattern(NamedTuple):
    """Text that matches a regular expression as a whole; `meaning` completes "Expected str of …"."""

    expression: str
    meaning: str

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is not str:
            errors.append(FieldError(show(place), "Expected str"))
        elif not re.fullmatch(self.expression, value):
            errors.append(FieldError(show(place), f"Expected str of {self.meaning}"))
        return value

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{self.expression}$"}


class Anything(NamedTuple):
    """Any value at all; what it must be is checked elsewhere."""

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        return value

    def schema(self) -> Schema:
        return {}


class Free(NamedTuple):
    """Any value that names no quantity that is none: as an object, or as a list of objects."""

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is dict:
            _check_quantities(value, place, errors)
        elif type(value) is list:
            for index, item in enumerate(value):
                if type(item) is dict:
                    _check_quantities(item, (place, index), errors)
        return value

    def schema(self) -> Schema:
        return {**_quantities(), "items": _quantities()}


class Loose(NamedTuple):
    """Any value as `Free` takes it, within the limits of texts and lists."""

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is str:
            return TEXT.read(value, place, errors)
        return ANY_ARRAY.read(value, place, errors) if type(value) is list else FREE.read(value, place, errors)

    def schema(self) -> Schema:
        return {**FREE.schema(), "maxLength": TEXT.most, "maxItems": ANY_ARRAY.most}


class Choice(NamedTuple):
    """One of some words, in any case."""

    words: tuple[str, ...]

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is not str:
            errors.append(FieldError(show(place), "Expected str"))
        elif not value.isascii() or value.lower() not in self.words:
            errors.append(FieldError(show(place), f"Expected one of {', '.join(self.words)}"))
        return value

    def schema(self) -> Schema:
        return {"type": "string", "anyOf": [{"enum": list(self.words)}, {"pattern": any_case(self.words)}]}


class Flag(NamedTuple):
    """True or false."""

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is not bool:
            errors.append(FieldError(show(place), "Expected bool"))
        return value

    def schema(self) -> Schema:
        return {"type": "boolean"}


class Integer(NamedTuple):
    """A whole number written without fraction."""

    least: int
    most: int

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is not int:
            errors.append(FieldError(show(place), "Expected int"))
        elif not self.least <= value <= self.most:
            errors.append(FieldError(show(place), f"Expected int from {self.least} to {self.most}"))
        return value

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class Number(NamedTuple):
    """A finite number."""

    least: float = 0.0
    most: float = sys.float_info.max

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is not int and type(value) is not float:
            errors.append(FieldError(show(place), "Expected number"))
        elif not self.least <= value <= self.most:
            open_end = self.most == sys.float_info.max
            limits = f">= {self.least:g}" if open_end else f"from {self.least:g} to {self.most:g}"
            errors.append(FieldError(show(place), f"Expected finite number {limits}"))
        return value

    def schema(self) -> Schema:
        limit = {} if self.most == sys.float_info.max else {"maximum": self.most}
        return {"type": "number", "minimum": self.least, **limit}


class Time(NamedTuple):
    """An RFC 3339 time."""

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is not str:
            errors.append(FieldError(show(place), "Expected str"))
            return value
        try:
            parse_us(value)
        except ValueError as error:
            errors.append(FieldError(show(place), str(error)))
        return value

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{RFC3339}$", "description": "RFC 3339; without an offset it is UTC"}


class Array(NamedTuple):
    """A list; `element` None takes anything, as `Free` does."""

    element: Rule | None = None
    most: int = MOST_ELEMENTS

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is not list:
            errors.append(FieldError(show(place), "Expected array"))
        elif len(value) > self.most:
            errors.append(FieldError(show(place), f"Expected array of at most {self.most} elements"))
        elif self.element is not None:
            kept = [self.element.read(item, (place, index), errors) for index, item in enumerate(value)]
            return kept if any(new is not old for new, old in zip(kept, value, strict=True)) else value
        else:
            FREE.read(value, place, errors)
        return value

    def schema(self) -> Schema:
        items = _quantities() if self.element is None else self.element.schema()
        return {"type": "array", "maxItems": self.most, "items": items}


class Object(NamedTuple):
    """An object. `aliases` are other names of fields: they are renamed unless the proper name is there too.

    Without `quantities`, fields that have no rule are nobody's business.
    """

    fields: Mapping[str, Rule] = {}
    required: tuple[str, ...] = ()
    aliases: Mapping[str, str] = {}
    quantities: bool = True

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is not dict:
            errors.append(FieldError(show(place), "Expected object"))
            return value
        kept = _rename(value, self.aliases)
        for name in self.required:
            if kept.get(name) is None:
                errors.append(FieldError(show((place, name)), "Missing required field"))
        changed: dict[str, Any] = {}
        for name, item in kept.items():
            rule = self.fields.get(name)
            if rule is None and self.quantities and name not in self.aliases:
                rule = QUANTITY if name.endswith(QUANTITY_SUFFIXES) else FREE
            if rule is not None and item is not None:
                read = rule.read(item, (place, name), errors)
                if read is not item:
                    changed[name] = read
        return {**kept, **changed} if changed else kept

    def schema(self) -> Schema:
        found: Schema = {
            "type": "object",
            "properties": {name: self._field(name) for name in self.fields},
            **({**_quantities(), "additionalProperties": FREE.schema()} if self.quantities else {}),
        }
        for alias, name in self.aliases.items():
            found["properties"].setdefault(alias, {"description": f"Another name of `{name}`"})
        required = [name for name in self.required if self._is_plain(name)]
        conditions = self._conditions()
        return {
            **found,
            **({"required": required} if required else {}),
            **({"allOf": conditions} if conditions else {}),
        }

    def present(self, name: str) -> Schema:
        """Return the schema of an object that has a field, under whatever name."""
        names = self._names(name)
        return {"anyOf": [present(one) for one in names]} if names[1:] else present(name)

    def _field(self, name: str) -> Schema:
        schema = self.fields[name].schema()
        return schema if name in self.required and self._is_plain(name) else nullable(schema)

    def _is_plain(self, name: str) -> bool:
        """Whether a field has one name only, and a rule that refuses null."""
        return name in self.fields and name not in self.aliases.values()

    def _names(self, name: str) -> list[str]:
        return [name, *(alias for alias, proper in self.aliases.items() if proper == name)]

    def _conditions(self) -> list[Schema]:
        """Return what aliases ask for: the first name that is there counts, and is read by the rule of the field."""
        conditions = []
        for alias, name in self.aliases.items():
            if name in self.fields:
                names = self._names(name)
                before = [present(one) for one in names[: names.index(alias)]]
                conditions.append({"anyOf": [*before, {"properties": {alias: nullable(self.fields[name].schema())}}]})
        return conditions + [self.present(name) for name in self.required if not self._is_plain(name)]


class Either(NamedTuple):
    """A list or an object."""

    array: Array
    object: Object

    def read(self, value: Any, place: Place, errors: Errors) -> Any:
        if type(value) is list:
            return self.array.read(value, place, errors)
        if type(value) is dict:
            return self.object.read(value, place, errors)
        errors.append(FieldError(show(place), "Expected array or object"))
        return value

    def schema(self) -> Schema:
        return {"anyOf": [self.array.schema(), self.object.schema()]}


def _check_quantities(value: dict[str, Any], place: Place, errors: Errors) -> None:
    for name, item in value.items():
        if item is not None and name.endswith(QUANTITY_SUFFIXES):
            QUANTITY.read(item, (place, name), errors)


def _quantities() -> Schema:
    return {"patternProperties": {QUANTITY_NAMES: nullable(QUANTITY.schema())}}


def _rename(value: dict[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    for alias, name in aliases.items():
        if alias in value and value.get(name) is None:
            value = {name if key == alias else key: item for key, item in value.items() if key != name}
    return value


QUANTITY = Number()
FREE = Free()
LOOSE = Loose()
NAME = Text(1, 100)
IDENTIFIER = Text(1, 200)
RELEASE = Text(1, 50)
HOST = Text(1, 255)
TEXT = Text()
TIME = Time()
ANY_ARRAY = Array()
ANY_OBJECT = Object()
ANY_VALUE = Anything()
