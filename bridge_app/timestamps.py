"""Times: microseconds since the Unix epoch inside, RFC 3339 with six fraction digits and `Z` outside."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
_TIME = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
_OFFSET = r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))?"
#: The pattern of every time that is read, for Python and for JSON Schema.
RFC3339 = f"{_DAY}[T ]{_TIME}{_OFFSET}"
_FORM = re.compile(RFC3339 + r"\Z")
#: The form that is written here, which the library reads several times faster. The hour is one that exists: later
#: Pythons take 24:00 for midnight.
_is_canonical = re.compile(rf"{_DAY}T(?:[01][0-9]|2[0-3]):[0-9]{{2}}:[0-9]{{2}}\.[0-9]{{6}}Z").fullmatch
_MICROSECOND = timedelta(microseconds=1)

#: The first microsecond after the year 9999, which is the last that can be written.
END_US = 253_402_300_800_000_000
#: Numbers from here on are milliseconds, below they are seconds (conventions §1).
_FIRST_MILLISECONDS = 1e11

RFC3339_HINT = "Expected an RFC 3339 time such as 2024-01-15T10:30:00.5Z"


def format_us(time_us: int) -> str:
    """Render microseconds since the epoch as `2024-01-15T10:30:00.500000Z`.

    Raises:
        OverflowError: outside of the years 1 to 9999.
    """
    seconds, micros = divmod(time_us, 1_000_000)
    return f"{_format_second(seconds)}.{micros:06d}Z"


@lru_cache(maxsize=1024)  # most of what is written happened just now: every event has several times
def _format_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(timespec="seconds")


def parse_us(text: str) -> int:
    """Read RFC 3339 with `T` or a space, 0 to 9 fraction digits (cut to microseconds), `Z`, an offset, or none for UTC.

    Raises:
        ValueError: any other form, a date that does not exist, or a time outside of the years 1 to 9999 in UTC.
    """
    try:
        if _is_canonical(text):
            return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError as error:
        raise ValueError(RFC3339_HINT) from error
    match = _FORM.match(text)
    if match is None:
        raise ValueError(RFC3339_HINT)
    year, month, day, hour, minute, second, fraction, _z, sign, offset_hours, offset_minutes = match.groups()
    zone = UTC
    if sign:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            raise ValueError(RFC3339_HINT)
        shift = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
        zone = timezone(-shift if sign == "-" else shift)
    micros = int(((fraction or "") + "000000")[:6])
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micros, tzinfo=zone)
        return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError) as error:
        raise ValueError(RFC3339_HINT) from error


def number_us(value: float) -> int:
    """Read Unix seconds, or from 1e11 on milliseconds, as microseconds.

    Raises:
        ValueError: no number, or one that is after the year 9999, or as far before the epoch.
    """
    micros = value * (1e3 if abs(value) >= _FIRST_MILLISECONDS else 1e6)
    if not abs(micros) <= END_US:  # the largest numbers become infinite
        raise ValueError("no time")
    return round(micros)


def to_datetime(time_us: int) -> datetime:
    """Return the aware UTC datetime, as asyncpg wants it."""
    return _EPOCH + timedelta(microseconds=time_us)
