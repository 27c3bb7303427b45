"""Cursors come back from clients: what no answer had in it is refused (conventions §5)."""

from base64 import urlsafe_b64encode
from typing import Any

import orjson
import pytest

from bridge_app.cursors import Cursor, TimeCursor, cursor_parameter
from bridge_app.domain.intelligence.queries import PatternCursor

ID = "00000000-0000-4000-8000-000000000001"


def forged(*fields: Any) -> str:
    return urlsafe_b64encode(orjson.dumps(fields)).decode().rstrip("=")


def pattern_cursor(end_us: int) -> PatternCursor:
    return PatternCursor(0, "q", end_us, (-0.5, -1, 0, ID))


@pytest.mark.parametrize("cursor", [TimeCursor(0, "q", (0, ID)), TimeCursor(0, "q", (-1, ID)), pattern_cursor(7)])
def test_a_cursor_is_read_as_it_was_handed_out(cursor: Cursor) -> None:
    assert cursor_parameter(type(cursor)).read(cursor.encode()) == cursor


@pytest.mark.parametrize("time_us", [10**18, -(10**18), 2**63 - 1])
def test_a_time_outside_of_the_calendar_is_refused(time_us: int) -> None:
    with pytest.raises(ValueError, match="Expected a cursor"):
        cursor_parameter(TimeCursor).read(forged(0, "q", [time_us, ID]))
    with pytest.raises(ValueError, match="Expected a cursor"):
        cursor_parameter(PatternCursor).read(forged(0, "q", time_us, [0.5, 1, 1, ID]))


@pytest.mark.parametrize("event_id", ["", "x", ID.replace("-", ""), f"{ID}\0", ID[:-1] + "g"])
def test_a_place_without_an_id_is_refused(event_id: str) -> None:
    with pytest.raises(ValueError, match="Expected a cursor"):
        cursor_parameter(TimeCursor).read(forged(0, "q", [0, event_id]))
