"""GET /openapi.json: OpenAPI 3.1, made of the views that the router has (conventions §5)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from faust.web import View

from bridge_app import __version__
from bridge_app.domain.access import is_open, required_scope
from bridge_app.errors import RequestError
from bridge_app.json_schema import Schema, of_types
from bridge_app.parameters import Parameter
from bridge_app.web.api import failures
from bridge_app.web.api.answers import Metadata, Problem
from bridge_app.web.api.operation import Operation, operation_of

DESCRIPTION = """\
Sees every lifecycle event that services report, finds what is wrong in them, and keeps the record.

Every JSON answer has the four keys `success`, `data`, `error` and `metadata`. Bodies are JSON objects of at most \
{max_body_bytes:,} bytes, nested at most 32 levels deep, without U+0000 in text, and with numbers of at most 64 bits. \
Unknown fields are kept, unknown query parameters are ignored. An unknown path is answered 404, a method that a path \
does not take 405 with the header `Allow`.
"""

TAGS = {
    "hooks": "Services report what happens to them.",
    "intelligence": "What the bridge found out.",
    "dead letters": "What could not be handled, and what became of it.",
    "resilience": "Circuit breakers.",
    "admin": "What operators look at and do.",
    "health": "The state of a worker.",
    "documents": "What you are reading, for people and for machines.",
}

_METHODS = ("get", "post", "put", "patch", "delete")
_TRACE = {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"}
_ID = {"type": "string", "minLength": 1, "maxLength": 255}
#: Headers that every request may carry and every answer has.
HEADERS: Mapping[str, Schema] = {
    "X-Correlation-ID": {**_ID, "description": "Goes unchanged to every event, row and log line; else a new UUID."},
    "X-Request-ID": {**_ID, "description": "Echoed, also as `metadata.request_id`; else a new UUID."},
    "traceparent": {**_TRACE, "description": "W3C trace context; absent or malformed, a new trace begins."},
}
_IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "1 to 255 printable ASCII characters; without it `webhook-id` counts. The same key and body have one effect "
        "and get the first answer again, with the header `Idempotency-Replayed: true`."
    ),
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
}
CREDENTIALS: Mapping[str, Schema] = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key"},
    "serviceAuth": {"type": "apiKey", "in": "header", "name": "X-Service-Auth", "description": "An API key"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or a JSON Web Token"},
}


class Route(NamedTuple):
    """One method of one path; `operation` is None where the view describes none."""

    method: str
    path: str
    operation: Operation | None


def routes_of(views: Mapping[str, View]) -> list[Route]:
    """Return the routes of views, by path, in the order in which they were added; HEAD goes without saying."""
    return [
        Route(method, path, operation_of(getattr(view, method)))
        for path, view in views.items()
        for method in _METHODS
        if method.upper() in view.get_methods()
    ]


def openapi(routes: Iterable[Route], *, auth_enabled: bool, max_body_bytes: int) -> Schema:
    """Return the document; routes without an operation are left out."""
    described = [(route, route.operation) for route in routes if route.operation is not None]
    types = {operation.answer for _, operation in described if isinstance(operation.answer, type)}
    ordered = sorted(types, key=lambda kind: str(kind.__name__))
    schemas, components = of_types(Metadata, Problem, *ordered)
    data = dict(zip(ordered, schemas[2:], strict=True))
    writer = _Writer(data, auth_enabled)
    paths: dict[str, Any] = {}
    for route, operation in described:
        paths.setdefault(route.path, {})[route.method] = writer.operation(route, operation)
    used = {operation.tag for _, operation in described}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OmniNode Bridge",
            "version": __version__,
            "description": DESCRIPTION.format(max_body_bytes=max_body_bytes),
        },
        "servers": [{"url": "/", "description": "This worker"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": writer.failures,
            "parameters": {name: _header(name, schema) for name, schema in HEADERS.items()},
            "headers": {name: {"schema": schema} for name, schema in HEADERS.items()},
            "securitySchemes": dict(CREDENTIALS),
        },
    }


class _Writer:
    """Writes operations; `data` are the schemas of answers by type, `failures` the answers to what goes wrong."""

    def __init__(self, data: Mapping[type, Schema], auth_enabled: bool) -> None:
        self._data = data
        self._auth_enabled = auth_enabled
        self.failures = {
            error.code: {**failures.response([error]), "x-status": error.status} for error in failures.tree()
        }

    def operation(self, route: Route, operation: Operation) -> Schema:
        """Return the Operation Object of a route."""
        scope = None if is_open(route.path) else required_scope(route.method.upper(), route.path)
        parameters = [
            *(_path(name, schema) for name, schema in operation.path.items()),
            *(_query(parameter) for parameter in operation.query),
            *(_header(name, schema) for name, schema in operation.headers.items()),
            *([_IDEMPOTENCY_KEY] if operation.idempotent else []),
            *({"$ref": f"#/components/parameters/{name}"} for name in HEADERS),
        ]
        return {
            "tags": [operation.tag],
            "operationId": "_".join([route.method, *(re.findall(r"[A-Za-z0-9]+", route.path) or ["root"])]),
            "summary": operation.summary,
            "description": operation.description,
            "parameters": parameters,
            **({"requestBody": _body(operation)} if operation.body else {}),
            "responses": {str(operation.status): self._success(operation), **self._failures(route.path, operation)},
            "security": self._security(scope),
        }

    def _security(self, scope: str | None) -> list[Schema]:
        """Return the credentials of which one is asked for; the roles listed with them are the scope it needs."""
        if scope is None:
            return []
        needed: list[Schema] = [{name: [scope]} for name in CREDENTIALS]
        return needed if self._auth_enabled else [{}, *needed]

    def _success(self, operation: Operation) -> Schema:
        headers: Schema = {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS}
        if operation.idempotent:
            headers["Idempotency-Replayed"] = {"schema": {"const": "true"}}
        found: Schema = {"description": operation.summary, "headers": headers}
        if operation.answer is None:
            return found
        schema = self._schema(operation.answer)
        content: Schema = {"schema": failures.wrapped(schema) if operation.wrapped else schema}
        if operation.example is not None:
            example = operation.example()
            content["example"] = failures.handled(example) if operation.wrapped else example
        return {**found, "content": {operation.media_type: content}}

    def _schema(self, answer: Any) -> Schema:
        found: Schema = self._data[answer] if isinstance(answer, type) else answer
        return found

    def _failures(self, path: str, operation: Operation) -> dict[str, Schema]:
        by_status: dict[int, list[type[RequestError]]] = {}
        for error in (*operation.errors, *failures.everywhere(path, operation)):
            if error not in by_status.setdefault(error.status, []):
                by_status[error.status].append(error)
        found = {}
        for status, errors in sorted(by_status.items()):
            if status in operation.data_with:
                found[str(status)] = failures.response(errors, self._schema(operation.answer))
            else:
                name = "-".join(error.code for error in errors)
                self.failures.setdefault(name, failures.response(errors))
                found[str(status)] = {"$ref": f"#/components/responses/{name}"}
        return found


def _body(operation: Operation) -> Schema:
    assert operation.body is not None
    examples = {name: {"value": value} for name, value in operation.body.examples.items()}
    return {
        "required": True,
        "content": {"application/json": {"schema": operation.body.schema, "examples": examples}},
    }


def _path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _header(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "header", "schema": schema}


def _query(parameter: Parameter) -> Schema:
    default = {} if parameter.default is None else {"default": _value(parameter, parameter.default)}
    examples = {text: {"value": _value(parameter, text)} for text in parameter.examples}
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.help,
        "schema": {**parameter.schema, **default},
        **({"examples": examples} if examples else {}),
    }


def _value(parameter: Parameter, text: str) -> Any:
    """Return what a text of the query stands for."""
    return text if parameter.schema["type"] == "string" else parameter.read(text)
