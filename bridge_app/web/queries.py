"""Query parameters: a bad value of a known one is refused, unknown ones are ignored."""

from aiohttp import web

from bridge_app.errors import FieldError, ValidationError

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def flag(request: web.Request, name: str) -> bool:
    """Return a parameter that is `true` or `false`; absent is false.

    Raises:
        ValidationError: any other value, with the path `query.<name>`.
    """
    value = request.query.get(name, "false")
    if value.lower() not in _FLAGS:
        raise ValidationError([FieldError(f"query.{name}", "Expected true or false")])
    return _FLAGS[value.lower()]
