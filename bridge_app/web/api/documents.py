"""The routes of the documents themselves, described."""

from typing import Any, Final

from bridge_app.errors import NotFound
from bridge_app.json_schema import Schema
from bridge_app.web.api.operation import Operation

_DOCUMENT: Final[Schema] = {"type": "object"}
_TEXT: Final[Schema] = {"type": "string"}


def _document(summary: str, answer: Any = _DOCUMENT, *, media_type: str = "application/json") -> Operation:
    return Operation("documents", summary, answer, media_type=media_type, wrapped=False)


OPENAPI: Final = _document("The HTTP interface, as OpenAPI 3.1")
ASYNCAPI: Final = _document("The events on Kafka, as AsyncAPI 3.0")
PAGE: Final = _document("Both documents for people, with forms to try the requests", _TEXT, media_type="text/html")
ROOT: Final = Operation("documents", "Leads to `/docs`", None, status=307, wrapped=False)


def page_file(names: list[str]) -> Operation:
    """Return the operation of the files that the page consists of."""
    file = _document("A file of the page", _TEXT, media_type="*/*")
    return file._replace(path={"name": {"type": "string", "enum": names}}, errors=(NotFound,))
