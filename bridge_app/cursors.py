"""Pages of lists (conventions §5): an opaque cursor says where a page ended, and of which question."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar

import msgspec

from bridge_app import ids
from bridge_app.parameters import Parameter
from bridge_app.timestamps import to_datetime

CURSOR_US = 10 * 60 * 1_000_000


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """When it was handed out, and a fingerprint of the filters it belongs to; each list adds where its page ended."""

    issued_us: int
    question: str

    def encode(self) -> str:
        """Return the opaque text a client sends back."""
        return urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    def problem(self, question: str, now_us: int) -> str | None:
        """Return why it is no use for a question, None when it is."""
        if now_us - self.issued_us > CURSOR_US:
            return "The cursor has expired, it is valid for 10 minutes"
        if self.question != question:
            return "The cursor belongs to other filters"
        return None


class TimeCursor(Cursor, array_like=True, frozen=True):
    """Where a page of a list that begins with the latest ended: time in microseconds, and id."""

    place: tuple[int, str]

    def __post_init__(self) -> None:
        time_us, event_id = self.place
        check_time(time_us)
        if ids.canonical(event_id) != event_id:
            raise ValueError("no id")


def check_time(time_us: int) -> None:
    """Raise ValueError for a time that no answer had in it: it would only fail in the database."""
    try:
        to_datetime(time_us)
    except OverflowError as error:
        raise ValueError("no time") from error


C = TypeVar("C", bound=Cursor)


def cursor_parameter(kind: type[C]) -> Parameter:
    """Return the parameter `cursor` of a list."""

    def read(text: str) -> C:
        try:
            return msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
        except ValueError as error:
            raise ValueError("Expected a cursor of an earlier answer") from error

    help = "`pagination.next_cursor` of the page before, with the same filters; valid for 10 minutes."
    return Parameter("cursor", read, {"type": "string"}, help)
