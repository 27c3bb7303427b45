"""Times in and out (conventions §5)."""

import pytest

from bridge_app.timestamps import format_us, parse_us


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2024-01-15T10:30:00.5Z", "2024-01-15T10:30:00.500000Z"),
        ("2024-01-15 10:30:00", "2024-01-15T10:30:00.000000Z"),
        ("2024-01-15T10:30:00z", "2024-01-15T10:30:00.000000Z"),
        ("2024-01-15T10:30:00.123456789+02:00", "2024-01-15T08:30:00.123456Z"),
        ("2024-02-29T23:59:59-00:30", "2024-03-01T00:29:59.000000Z"),
    ],
)
def test_conventions_09_rfc_3339_is_read(text: str, shown: str) -> None:
    assert format_us(parse_us(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "15/01/2024", "2024-01-15", "2024-01-15t10:30:00Z", "2024-01-15T10:30:00.Z", "2024-01-15T10:30:00+0200",
        "2024-02-30T10:30:00Z", "2024-01-15T25:30:00Z", "2024-01-15T10:30:00+24:00", "2024-01-15T10:30:00.1234567890Z",
        "0001-01-01T00:00:00+01:00x", "", "2024-01-15T10:30:00Z\n",
    ],
)  # fmt: skip
def test_conventions_09_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_us(text)
