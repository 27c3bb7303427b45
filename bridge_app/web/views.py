"""The base of all views: Faust's, with the routes of exactly the methods that a view has."""

from typing import Any

from faust.web import View as FaustView
from faust.web.exceptions import WebError

_METHODS = ("get", "post", "put", "patch", "delete")


class View(FaustView):
    """A view; errors are raised and rendered by the middleware, 405 with `Allow` is the router's."""

    def get_methods(self) -> set[str]:
        own = {name.upper() for name in _METHODS if getattr(type(self), name) is not getattr(FaustView, name)}
        return own | {"HEAD"} if "GET" in own else own

    async def on_request_error(self, request: Any, exc: WebError) -> Any:
        raise exc
