"""Query parameters: a bad value of a known one is refused, unknown ones are ignored."""

from aiohttp import web

from bridge_app.errors import FieldError, ValidationError
from bridge_app.parameters import Parameter

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def flag(request: web.Request, name: str) -> bool:
    """Return a parameter that is `true` or `false`; absent is false.

    Raises:
        ValidationError: any other value, with the path `query.<name>`.
    """
    try:
        return _read_flag(request.query.get(name, "false"))
    except ValueError as error:
        raise ValidationError([FieldError(f"query.{name}", str(error))]) from error


def flag_parameter(name: str, help: str) -> Parameter:
    """Return the documentation of a parameter that `flag` reads."""
    return Parameter(name, _read_flag, {"type": "boolean"}, help, "false", ("true",))


def _read_flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError("Expected true or false")
    return _FLAGS[text.lower()]
