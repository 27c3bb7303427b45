"""GET /openapi.json: valid, complete, and true of what the worker does."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

from bridge_app.clock import SystemClock
from bridge_app.domain.hooks import ROUTES, accept
from bridge_app.domain.intelligence.queries import parse_query
from bridge_app.json_schema import Schema
from bridge_app.parameters import Parameter
from bridge_app.runtime.app import BridgeApp
from bridge_app.settings import Settings
from bridge_app.web.api import failures, hook_bodies
from bridge_app.web.api.openapi import openapi, routes_of
from bridge_app.worker import create_app
from tests.unit.events.test_fields_schema import ARRIVAL
from tests.unit.schemas import accepts, check, problems
from tests.unit.web.documented import references, resolve


@cache
def worker_app() -> BridgeApp:
    """The app of a worker with all its routes; nothing is started."""
    return create_app(Settings.from_environ({}), SystemClock())


@cache
def document() -> Schema:
    """The document as a client reads it."""
    made = openapi(routes_of(worker_app().web.views), auth_enabled=False, max_body_bytes=1024 * 1024)
    read: Schema = orjson.loads(orjson.dumps(made))
    return read


def operations() -> Iterator[tuple[str, Schema]]:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def test_every_route_of_the_worker_is_documented_and_no_other() -> None:
    router = worker_app().web.web_app.router  # type: ignore[attr-defined]
    served = {
        f"{route.method} {route.resource.canonical}" for route in router.routes() if route.method not in ("HEAD", "*")
    }
    assert served == {name for name, _ in operations()}


def test_the_document_is_valid_openapi() -> None:
    validate(document())
    identifiers = [operation["operationId"] for _, operation in operations()]
    assert len(identifiers) == len(set(identifiers))
    used = {tag for _, operation in operations() for tag in operation["tags"]}
    assert used == {tag["name"] for tag in document()["tags"]}


def test_every_reference_leads_somewhere() -> None:
    for reference in references(document()):
        resolve(document(), reference)


def test_every_error_of_the_tree_is_documented_with_its_status_and_meaning() -> None:
    responses = document()["components"]["responses"]
    for error in failures.tree():
        text = responses[error.code]["description"]
        assert text.startswith(f"`{error.code}`: ")
        assert len(text) > len(error.code) + 10, text
    statuses = {code: error.status for error in failures.tree() for code in [error.code]}
    for name, operation in operations():
        for status, response in operation["responses"].items():
            if "$ref" in response:
                codes = response["$ref"].rpartition("/")[2].split("-")
                assert {statuses[code] for code in codes} == {int(status)}, name


def schemas_with_examples() -> Iterator[tuple[str, Schema, Any]]:
    """Every example of the document beside the schema it is an example of."""

    def walk(value: Any, place: str) -> Iterator[tuple[str, Schema, Any]]:
        if isinstance(value, dict):
            schema = value.get("schema")
            if isinstance(schema, dict) and ("example" in value or "examples" in value):
                shown = [value["example"]] if "example" in value else []
                shown += [one["value"] for one in value.get("examples", {}).values()]
                yield from ((place, schema, one) for one in shown)
            if isinstance(value.get("examples"), list):
                yield from ((place, value, one) for one in value["examples"])
            for name, item in value.items():
                yield from walk(item, f"{place}/{name}")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from walk(item, f"{place}/{index}")

    return walk(document(), "#")


def test_every_example_is_valid() -> None:
    found = list(schemas_with_examples())
    assert len(found) > 20
    for place, schema, example in found:
        assert problems(schema, example, {"components": document()["components"]}) == [], place


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.topic)
def test_the_examples_of_a_hook_are_accepted(route: Any) -> None:
    bodies = hook_bodies.BODIES[route.topic]
    assert {accept(route, body, ARRIVAL).metadata["hook_type"] for body in bodies.values()} == set(route.types)


def query_parameters() -> list[Parameter]:
    found = {
        parameter.name: parameter
        for route in routes_of(worker_app().web.views)
        if route.operation is not None
        for parameter in route.operation.query
    }
    return list(found.values())


def _reads(parameter: Parameter, text: str) -> bool:
    try:
        parameter.read(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("parameter", query_parameters(), ids=lambda parameter: parameter.name)
def test_what_a_query_parameter_shows_is_read(parameter: Parameter) -> None:
    check(parameter.schema)
    shown = [*parameter.examples, *(() if parameter.default is None else (parameter.default,))]
    assert all(_reads(parameter, text) for text in shown)


NUMBERS = st.integers(-5, 3000).map(str) | st.floats(-1, 3).map(lambda value: f"{value:.3f}")
WORDS = st.sampled_from(
    ["active", "all", "resolved", "high", "none", "24", "30m", "7d", "0h", "2161", "1.5h", "24\n", "true", ""]
)


@pytest.mark.parametrize(
    "parameter", [one for one in query_parameters() if one.name != "cursor"], ids=lambda parameter: parameter.name
)
@settings(deadline=None)  # the machine may be busy
@given(text=NUMBERS | WORDS | st.text(st.characters(codec="utf-8"), max_size=4))
def test_a_query_parameter_takes_what_its_schema_says(parameter: Parameter, text: str) -> None:
    if not _reads(parameter, text):
        # A pattern cannot say how long the longest window is, nor that a date must exist.
        outside = parameter.name in ("time_window", "since", "until")
        assert outside or not accepts(parameter.schema, _as_json(parameter, text)), text
    else:
        assert accepts(parameter.schema, _as_json(parameter, text)), text


_INTEGER = re.compile(r"(0|-?[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"(0|-?[1-9][0-9]*)(\.[0-9]+)?\Z")


def _as_json(parameter: Parameter, text: str) -> Any:
    """Return the value that a text stands for, as OpenAPI has it; the text itself where it stands for none."""
    kind = parameter.schema["type"]
    if kind == "boolean":  # `1` and `0` are read too, though no document says so
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    plain = {"integer": _INTEGER, "number": _NUMBER}.get(kind)
    return json.loads(text) if plain and plain.match(text) else text


def test_all_parameters_of_a_list_are_documented() -> None:
    read: set[str] = set()

    class Spy(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return default

    parse_query(Spy(), 0)
    listed = document()["paths"]["/intelligence/patterns"]["get"]["parameters"]
    assert {one["name"] for one in listed if one.get("in") == "query"} == read


def test_a_credential_is_asked_for_where_a_route_has_a_scope() -> None:
    routes = routes_of(worker_app().web.views)
    guarded = openapi(routes, auth_enabled=True, max_body_bytes=1)["paths"]
    assert guarded["/health"]["get"]["security"] == []
    asked = guarded["/hooks/service/lifecycle"]["post"]["security"]
    assert {name for one in asked for name in one} == set(document()["components"]["securitySchemes"])
    assert all(scopes == ["hooks:write"] for one in asked for scopes in one.values())
    assert {} in document()["paths"]["/hooks/service/lifecycle"]["post"]["security"]
