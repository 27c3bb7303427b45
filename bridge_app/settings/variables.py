"""How a variable is declared and read.

An area is a frozen dataclass whose fields are made with `variable`: one declaration holds name, kind, default and what
it is for, and serves reading, the error message and the documentation.
"""

from collections.abc import Callable, Mapping
from dataclasses import field, fields
from typing import Any, NamedTuple

from bridge_app.errors import SettingsError
from bridge_app.settings.texts import Kind

_KEY = "bridge_app.variables"


class Variable(NamedTuple):
    """One environment variable.

    `default` is what an unset variable means, or a function of what was read before it, by field. `shown_default` is
    how the documentation shows such a default. The value of a secret is in no message.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    secret: bool = False
    shown_default: str = ""

    def read(self, environ: Mapping[str, str], found: Mapping[str, Any]) -> Any:
        """Return the value; a variable that is empty counts as not set.

        Raises:
            SettingsError: naming the variable.
        """
        text = environ.get(self.name, "").strip()
        if not text:
            return self.default_in(found)
        try:
            return self.kind.read(text)
        except ValueError as error:
            shown = "***" if self.secret else text if text.isprintable() else repr(text)
            raise SettingsError(f"{self.name}={shown}: expected {self.kind.expected}") from error

    def default_in(self, found: Mapping[str, Any]) -> Any:
        """Return what the variable means when it is not set."""
        return self.default(found) if callable(self.default) else self.default


class Reading(NamedTuple):
    """What was read for a variable: its value, its default, and whether the environment gives it."""

    value: Any
    default: Any
    is_given: bool


def variable(name: str, kind: Kind, default: Any, help: str, *, secret: bool = False, shown_default: str = "") -> Any:
    """Declare the field of one variable; a secret is not in the `repr` of the settings."""
    return field(
        repr=not secret, metadata={_KEY: ((Variable(name, kind, default, help, secret, shown_default),), _only)}
    )


def variables(declared: tuple[Variable, ...], build: Callable[[list[Any]], Any]) -> Any:
    """Declare a field that is built from the values of several variables."""
    return field(metadata={_KEY: (declared, build)})


def read(area: type, environ: Mapping[str, str], found: dict[str, Any]) -> dict[str, Reading]:
    """Read the variables of an area into `found`, by field; return what was read by name of the variable."""
    readings: dict[str, Reading] = {}
    for one in fields(area):
        declared, build = one.metadata[_KEY]
        for variable in declared:
            is_given = bool(environ.get(variable.name, "").strip())
            value = variable.read(environ, found)
            readings[variable.name] = Reading(value, variable.default_in(found), is_given)
        found[one.name] = build([readings[variable.name].value for variable in declared])
    return readings


def variables_of(area: type) -> list[Variable]:
    """Return the variables of an area, in order."""
    return [variable for one in fields(area) for variable in one.metadata[_KEY][0]]


def variable_of(area: type, field_name: str) -> Variable:
    """Return the variable of a field that has only one."""
    declared = next(one.metadata[_KEY][0] for one in fields(area) if one.name == field_name)
    (variable,) = declared
    found: Variable = variable
    return found


def _only(values: list[Any]) -> Any:
    return values[0]
