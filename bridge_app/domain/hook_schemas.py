"""What a route of hooks takes and what it publishes, as JSON Schema: made of the rules that check it."""

from collections.abc import Collection, Mapping

from bridge_app.domain.hooks import CORRELATION_PATTERN, HookRoute
from bridge_app.events.fields import Object
from bridge_app.json_schema import Schema, any_case, nullable

_CORRELATION = nullable(
    {
        "type": "string",
        "description": "1 to 255 characters without control characters; goes to every event, row and log line",
        "pattern": CORRELATION_PATTERN,
    }
)


def body_schema(route: HookRoute) -> Schema:
    """Return the schema of the bodies that a route accepts, up to the limits all bodies have (conventions §5)."""
    schema = route.body.schema()
    schema["properties"] = {"hook_type": _hook_type(route), "correlation_id": _CORRELATION, **schema["properties"]}
    schema["required"] = ["hook_type", *schema.get("required", ())]
    if needs := _needs(route):
        schema["allOf"] = [*schema.get("allOf", ()), *needs]
    return schema


def payload_schema(route: HookRoute, name: str, added: Mapping[str, Schema]) -> Schema:
    """Return the schema of the payload of an event that one hook type becomes: no aliases, and what the bridge added
    is there.
    """
    body = route.body
    kept = Object(body.fields, required=(*body.required, *route.types[name].required)).schema()
    return {
        **kept,
        "properties": {**kept["properties"], **added},
        "required": [*kept.get("required", ()), *added],
    }


def _hook_type(route: HookRoute) -> Schema:
    also = "; ".join(f"`{alias}` is `{name}`" for alias, name in route.aliases.items())
    return {
        "type": "string",
        "description": f"`-` counts as `_`{'; ' if also else ''}{also}",
        "anyOf": [{"enum": list(route.types)}, {"pattern": _pattern(route, route.types)}],
    }


def _needs(route: HookRoute) -> list[Schema]:
    """Return what single hook types need beyond the fields of their route."""
    return [
        {
            "description": f"`{field}` is required for `{name}`",
            "if": {"properties": {"hook_type": {"pattern": _pattern(route, [name])}}},
            "then": route.body.present(field),
        }
        for name, hook_type in route.types.items()
        for field in hook_type.required
    ]


def _pattern(route: HookRoute, names: Collection[str]) -> str:
    words = [*names, *(alias for alias, name in route.aliases.items() if name in names)]
    return any_case(words, dashes=True)
