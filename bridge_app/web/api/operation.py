"""How a view says what it takes and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from bridge_app.errors import RequestError
from bridge_app.json_schema import Schema
from bridge_app.parameters import Parameter

F = TypeVar("F", bound=Callable[..., Any])

_ATTRIBUTE = "bridge_app_operation"


class Body(NamedTuple):
    """A JSON body: its schema, and examples by name."""

    schema: Schema
    examples: Mapping[str, Any]


class Operation(NamedTuple):
    """What one method of one path does.

    `answer` is the type of `data` in the answer, or for other media types the type of the whole. `path` describes the
    variables of the path by name. `errors` are those of this operation; what every request may meet is added to them.
    `example` makes one value of `answer`. `data_with` names statuses other than `status` that carry `data` as well.
    `idempotent`: the route takes an idempotency key.
    """

    tag: str
    summary: str
    answer: Any
    description: str = ""
    status: int = 200
    media_type: str = "application/json"
    wrapped: bool = True
    body: Body | None = None
    query: Sequence[Parameter] = ()
    path: Mapping[str, Schema] = {}
    headers: Mapping[str, Schema] = {}
    errors: Sequence[type[RequestError]] = ()
    example: Callable[[], Any] | None = None
    data_with: Sequence[int] = ()
    idempotent: bool = False


def describe(operation: Operation) -> Callable[[F], F]:
    """Attach the documentation of a view's method to it."""

    def attach(method: F) -> F:
        setattr(method, _ATTRIBUTE, operation)
        return method

    return attach


def operation_of(method: Any) -> Operation | None:
    """Return what a view's method was described with."""
    return getattr(method, _ATTRIBUTE, None)
