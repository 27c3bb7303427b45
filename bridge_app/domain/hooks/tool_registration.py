"""Tool registration hooks: a tool was discovered or updated (hooks §3)."""

from typing import Any

from bridge_app import ids
from bridge_app.domain.hooks.acceptance import Completion, HookRoute, HookType
from bridge_app.domain.json_schemas import schema_errors
from bridge_app.events import hooks as bodies
from bridge_app.events.fields import Errors
from bridge_app.topics import HOOKS_TOOL_REGISTRATION

#: What a tool that does not say so has.
DEFAULTS: dict[str, Any] = {
    "version": "0.0.0",
    "service_source": "unknown",
    "category": "uncategorized",
    "input_schema": {},
    "output_schema": {},
}
SCHEMAS = ("input_schema", "output_schema")


def _check(payload: dict[str, Any], errors: Errors) -> None:
    for name in SCHEMAS:
        schema = payload["tool_info"].get(name)
        if schema is not None:
            errors += schema_errors(schema, ((None, "tool_info"), name))


def _complete(payload: dict[str, Any], hook_type: HookType, _sent_as: str) -> Completion:
    given = {name: value for name, value in payload["tool_info"].items() if value is not None or name not in DEFAULTS}
    tool = {**DEFAULTS, **given}
    tool_id = ids.tool(tool["service_source"], tool["name"], tool["version"])
    return Completion(hook_type.event_type, {"tool_info": tool, "tool_id": tool_id})


def _tool_name(payload: dict[str, Any]) -> str:
    name: str = payload["tool_info"]["name"]
    return name


TOOL_REGISTRATION = HookRoute(
    topic=HOOKS_TOOL_REGISTRATION.name,
    types={
        "tool_discovered": HookType("tool.registration.discovered"),
        "tool_updated": HookType("tool.registration.updated"),
    },
    aliases={"tool_registered": "tool_discovered"},
    body=bodies.TOOL_REGISTRATION,
    key=_tool_name,
    complete=_complete,
    check=_check,
)
