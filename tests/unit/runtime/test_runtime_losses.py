"""Which records were lost, and which gaps are no loss."""

import pytest

from bridge_app.runtime.losses import Lost, lost_before


@pytest.mark.parametrize(
    ("wanted", "found", "log_start", "end"),
    [
        (10, 10, 10, None),
        (10, 25, 25, 25),
        (10, 25, 0, None),  # compacted, or the mark of a transaction
        (10, 25, 20, 20),
        (10, 25, 99, 25),  # the log has been cut again behind what was read
        (30, 25, 25, None),
    ],
)
def test_what_was_lost(wanted: int, found: int, log_start: int, end: int | None) -> None:
    lost = lost_before("g", ("t", 3), wanted, found, log_start)
    assert lost == (None if end is None else Lost("g", "t", 3, wanted, end))
