"""JSON Schema as its specification has it: in a pattern, `$` is the very end of the text, as in ECMA-262."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from bridge_app.json_schema import Schema


def _search(pattern: str, text: str) -> bool:
    return re.search(re.sub(r"\$\Z", r"\\Z", pattern), text) is not None


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Schema) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _search(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Schema], instance: Any, _schema: Schema
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, item in instance.items():
            for pattern, schema in patterns.items():
                if _search(pattern, name):
                    yield from validator.descend(item, schema, path=name, schema_path=pattern)


_Validator = extend(Draft202012Validator, {"pattern": _pattern, "patternProperties": _pattern_properties})


def problems(schema: Schema, value: Any, document: Schema | None = None) -> list[str]:
    """Return what is wrong with a value; references in the schema are to the document around it."""
    whole = {**(document or {}), **schema}
    return [f"{error.json_path}: {error.message}" for error in _Validator(whole).iter_errors(value)]


def accepts(schema: Schema, value: Any) -> bool:
    """Tell whether a value is valid."""
    return not problems(schema, value)


def check(schema: Schema) -> None:
    """Raise unless a schema is one."""
    Draft202012Validator.check_schema(schema)
