"""JSON Schema (2020-12), the language in which rules and types tell others what they take."""

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

Schema: TypeAlias = dict[str, Any]


def nullable(schema: Schema) -> Schema:
    """Return the schema of a value that may also be null."""
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]}
    both = {**schema, "type": [kind, "null"]}
    return {**both, "enum": [*schema["enum"], None]} if "enum" in schema else both


def present(name: str) -> Schema:
    """Return the schema of an object that has a field, and not as null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def any_case(words: Iterable[str], *, dashes: bool = False) -> str:
    """Return the pattern of some words in any case; with `dashes`, `-` also stands for `_`."""
    return f"^(?:{'|'.join(_any_case(word, dashes) for word in words)})$"


def _any_case(word: str, dashes: bool) -> str:
    return "".join(_any_letter(letter, dashes) for letter in word)


def _any_letter(letter: str, dashes: bool) -> str:
    if letter.isalpha():
        return f"[{letter.upper()}{letter.lower()}]"
    return "[-_]" if dashes and letter == "_" else re.escape(letter)


def of_types(*types: Any, refs: str = "#/components/schemas/") -> tuple[list[Schema], dict[str, Schema]]:
    """Return the schemas of some types, and those of the types they refer to, by name."""
    schemas, components = msgspec.json.schema_components(types, ref_template=refs + "{name}")
    return list(schemas), components
