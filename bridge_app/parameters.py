"""A query parameter as data: how its text is read, and what a reader of the documentation is told of it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bridge_app.json_schema import Schema


class Parameter(NamedTuple):
    """One query parameter.

    `read` raises ValueError saying what was expected; `schema` describes the value that the text stands for. `default`
    is the text that an absent parameter counts as, None where it has no such text. `examples` are texts that are read.
    """

    name: str
    read: Callable[[str], Any]
    schema: Schema
    help: str
    default: str | None = None
    examples: Sequence[str] = ()
