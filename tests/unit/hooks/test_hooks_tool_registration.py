"""From the body of a tool registration hook to its event (hooks §3, §6, §9)."""

from typing import Any

import pytest

from bridge_app import ids
from bridge_app.domain.hooks import TOOL_REGISTRATION, Arrival, accept
from bridge_app.errors import ValidationError
from bridge_app.events.envelope import Event

TOOL = {"name": "search", "version": "1.2.0", "service_source": "finder"}


def event_of(hook_type: str = "tool_discovered", **sections: Any) -> Event:
    body = {"hook_type": hook_type, "tool_info": TOOL, **sections}
    arrival = Arrival("00000000-0000-4000-8000-000000000001", 0, "a" * 32, None, "generated", None)
    return accept(TOOL_REGISTRATION, body, arrival)


def errors_of(**tool: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        event_of(tool_info={**TOOL, **tool})
    return {error.path: error.message for error in caught.value.errors}


@pytest.mark.parametrize(
    ("sent", "event_type"),
    [("tool_registered", "discovered"), ("Tool-Discovered", "discovered"), ("tool_updated", "updated")],
)
def test_hooks_09_a_tool_is_published_under_its_id(sent: str, event_type: str) -> None:
    event = event_of(sent)
    assert (event.event_type, event.partition_key) == (f"tool.registration.{event_type}", "search")
    assert event.payload["tool_id"] == f"tool_{ids.name_based('tool', 'finder', 'search', '1.2.0')}"
    assert "derived" not in event.payload


def test_hooks_09_what_a_tool_does_not_say_is_filled_in() -> None:
    tool = event_of(tool_info={"tool_name": "search", "version": None, "description": None, "extra": 1})
    assert tool.payload["tool_info"] == {
        "name": "search", "version": "0.0.0", "service_source": "unknown", "category": "uncategorized",
        "input_schema": {}, "output_schema": {}, "description": None, "extra": 1,
    }  # fmt: skip
    assert tool.payload["tool_id"] == f"tool_{ids.name_based('tool', 'unknown', 'search', '0.0.0')}"


def test_hooks_10_a_tool_has_a_plain_name() -> None:
    expected = "Expected str of 1 to 100 letters, digits, '.', '_' or '-'"
    for name in ("", "a b", "ä", "a" * 101, "a\n"):
        assert errors_of(name=name) == {"$.tool_info.name": expected}


@pytest.mark.parametrize(
    ("schema", "path", "message"),
    [
        (5, "", "Expected a JSON Schema: object or boolean"),
        ({"properties": {"x": {"type": "nope"}}}, ".properties.x.type", "Expected a valid JSON Schema"),
        ({"$schema": "https://example.com/mine"}, ".$schema", "Expected draft 2020-12"),
        ({"$ref": "https://example.com/x"}, ".$ref", "Expected a reference inside"),
        ({"items": {"$ref": "other.json#/a"}}, ".items.$ref", "Expected a reference inside"),
        ({"$ref": "#/$defs/missing"}, "", "Expected a valid JSON Schema"),
        ({"description": "x" * 262_144}, "", "Expected a JSON Schema of at most 262144 bytes"),
    ],
)
def test_hooks_10_a_schema_that_is_none_is_named(schema: Any, path: str, message: str) -> None:
    ((found, text),) = errors_of(input_schema=schema).items()
    assert found == f"$.tool_info.input_schema{path}"
    assert text.startswith(message)


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"properties": {"$ref": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "$ref": "#/definitions/a"},
        {"$schema": "http://json-schema.org/draft-04/schema", "maximum": 5, "exclusiveMaximum": True},
    ],
)
def test_schemas_of_the_known_drafts_are_taken(schema: Any) -> None:
    assert event_of(tool_info={**TOOL, "output_schema": schema}).payload["tool_info"]["output_schema"] == schema


def test_a_discovery_has_a_confidence_from_0_to_1() -> None:
    with pytest.raises(ValidationError, match=r"\$\.discovery_info\.confidence: Expected finite number from 0 to 1"):
        event_of(discovery_info={"confidence": 1.1})
