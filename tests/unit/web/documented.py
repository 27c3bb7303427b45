"""Hold a document against what it describes."""

import re
from collections.abc import Iterator
from typing import Any

from bridge_app.json_schema import Schema
from tests.unit.schemas import problems


def references(value: Any) -> Iterator[str]:
    """Yield every `$ref` of a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolve(document: Schema, reference: str) -> Any:
    """Return what a reference points to; KeyError when it points nowhere."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def _followed(document: Schema, value: Any) -> Any:
    return resolve(document, value["$ref"]) if "$ref" in value else value


def answer_problems(document: Schema, method: str, path: str, status: int, answer: Any) -> list[str]:
    """Return what is wrong with an answer: a status or a field that is not documented, a value of another kind."""
    operation = next(
        item[method.lower()]
        for template, item in document["paths"].items()
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path)
    )
    if str(status) not in operation["responses"]:
        return [f"{method} {path}: {status} is not documented"]
    response = _followed(document, operation["responses"][str(status)])
    schema = response["content"]["application/json"]["schema"]
    return problems(schema, answer, {"components": document["components"]}) + list(
        _unknown(document, schema, answer, "$")
    )


def _unknown(document: Schema, schema: Schema, value: Any, place: str) -> Iterator[str]:
    """Yield the fields of objects that list their fields and do not list these."""
    parts = list(_parts(document, schema))
    if isinstance(value, list):
        for index, item in enumerate(value):
            for items in (part["items"] for part in parts if "items" in part):
                yield from _unknown(document, items, item, f"{place}[{index}]")
    elif isinstance(value, dict):
        listed = [part["properties"] for part in parts if part.get("properties")]
        for name, item in value.items() if listed else ():
            known = [properties[name] for properties in listed if name in properties]
            if not known:
                yield f"{place}.{name} is not documented"
            for one in known:
                yield from _unknown(document, one, item, f"{place}.{name}")


def _parts(document: Schema, schema: Schema) -> Iterator[Schema]:
    schema = _followed(document, schema)
    yield schema
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, ()):
            yield from _parts(document, part)
