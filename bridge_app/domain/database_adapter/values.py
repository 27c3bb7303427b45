"""Single values, as the columns take them."""

import math
from typing import Any

from bridge_app.errors import PoisonRecord

LARGEST_INTEGER = 2**31 - 1


def plain_text(value: str, path: str) -> str:
    """Return a text for a TEXT column.

    Raises:
        PoisonRecord: UNSUPPORTED_VALUE, it holds U+0000, which Postgres does not take.
    """
    if "\0" in value:
        raise PoisonRecord("UNSUPPORTED_VALUE", f"{path}: text with U+0000", {"path": path})
    return value


def milliseconds(value: Any) -> int | None:
    """Return a duration rounded to whole milliseconds, None when it is no number or out of an INTEGER's range."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    rounded = round(value)
    return rounded if 0 <= rounded <= LARGEST_INTEGER else None
