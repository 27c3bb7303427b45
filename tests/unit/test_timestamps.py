"""Times in and out (conventions §5)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app.timestamps import format_us, parse_us


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2024-01-15T10:30:00.5Z", "2024-01-15T10:30:00.500000Z"),
        ("2024-01-15 10:30:00", "2024-01-15T10:30:00.000000Z"),
        ("2024-01-15T10:30:00z", "2024-01-15T10:30:00.000000Z"),
        ("2024-01-15T10:30:00.123456789+02:00", "2024-01-15T08:30:00.123456Z"),
        ("2024-02-29T23:59:59-00:30", "2024-03-01T00:29:59.000000Z"),
        ("0001-01-01T10:00:00+10:00", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T13:59:59.9-10:00", "9999-12-31T23:59:59.900000Z"),
    ],
)
def test_conventions_09_rfc_3339_is_read(text: str, shown: str) -> None:
    assert format_us(parse_us(text)) == shown


@given(st.datetimes())
def test_every_time_is_shown_to_the_microsecond(moment: datetime) -> None:
    time_us = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    shown = f"{moment.isoformat(timespec='microseconds')}Z"
    assert format_us(time_us) == shown
    assert parse_us(shown) == parse_us(f"{shown[:-1]}+00:00") == time_us


@pytest.mark.parametrize("year", [0, 10_000])
def test_a_time_outside_of_the_calendar_is_refused(year: int) -> None:
    with pytest.raises(OverflowError):
        format_us((year - 1970) * 366 * 86_400 * 1_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "15/01/2024", "2024-01-15", "2024-01-15t10:30:00Z", "2024-01-15T10:30:00.Z", "2024-01-15T10:30:00+0200",
        "2024-02-30T10:30:00Z", "2024-01-15T25:30:00Z", "2024-01-15T10:30:00+24:00", "2024-01-15T10:30:00.1234567890Z",
        "2024-01-15T24:00:00.000000Z", "2024-01-15T23:60:00.000000Z", "2024-02-30T10:30:00.000000Z",
        "2024-01-15T10:30:00.000000Z\n", "2024-W03-1T10:30:00.000000Z", "2024-01-15T10:30:00,000000Z",
        "0001-01-01T00:00:00+01:00x", "", "2024-01-15T10:30:00Z\n",
        "0001-01-01T00:00:00+10:00", "0001-01-01T00:00:00.000001+00:01", "9999-12-31T23:59:59-10:00",
    ],
)  # fmt: skip
def test_conventions_09_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_us(text)
