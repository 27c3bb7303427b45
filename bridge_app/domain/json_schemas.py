"""Whether a JSON Schema that somebody sends can be used (registry §5). Nothing is ever fetched."""

from collections.abc import Iterator
from typing import Any, NoReturn

import jsonschema_rs
import orjson

from bridge_app.errors import FieldError
from bridge_app.json_values import Place, show

LARGEST_BYTES = 256 * 1024
#: The drafts that are known; a schema that names none is read as the newest.
DRAFTS = frozenset(
    {
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-04/schema",
    }
)
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def schema_errors(schema: Any, place: Place) -> list[FieldError]:
    """Return what is wrong with the schema that stands at a place of a body; empty when it can be used.

    It must be an object or a boolean, at most 256 KiB, valid against the meta-schema of its `$schema`, and refer to
    nothing outside of itself.
    """
    if type(schema) is bool:
        return []
    if type(schema) is not dict:
        return [FieldError(show(place), "Expected a JSON Schema: object or boolean")]
    draft = schema.get("$schema")
    if draft is not None and (type(draft) is not str or draft.removesuffix("#") not in DRAFTS):
        return [FieldError(show((place, "$schema")), "Expected draft 2020-12, 2019-09, 07, 06 or 04 of JSON Schema")]
    try:
        if len(orjson.dumps(schema)) > LARGEST_BYTES:
            return [FieldError(show(place), f"Expected a JSON Schema of at most {LARGEST_BYTES} bytes")]
        return list(_outside(schema, place)) or _invalid(schema, place)
    except orjson.JSONEncodeError:
        return []  # it holds what no body may hold: that is told as such


def _outside(schema: Any, place: Place) -> Iterator[FieldError]:
    if type(schema) is list:
        for index, item in enumerate(schema):
            yield from _outside(item, (place, index))
    elif type(schema) is dict:
        for name, item in schema.items():
            if name in REFERENCES and type(item) is str and not item.startswith("#"):
                yield FieldError(show((place, name)), "Expected a reference inside of the schema, as #/$defs/name")
            yield from _outside(item, (place, name))


def _invalid(schema: dict[str, Any], place: Place) -> list[FieldError]:
    try:
        jsonschema_rs.meta.validate(schema)
        jsonschema_rs.validator_for(schema, retriever=_refuse)
    except jsonschema_rs.ValidationError as error:
        for part in error.instance_path:
            place = (place, part)
        return [FieldError(show(place), f"Expected a valid JSON Schema: {error.message}")]
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        return [FieldError(show(place), f"Expected a valid JSON Schema: {error}")]
    return []


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is outside of the schema")
