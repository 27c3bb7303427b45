"""The state of `cohort|<environment>`: the last timed starts, and the pattern that is open."""

from collections.abc import Sequence

import msgspec

from bridge_app.domain.intelligence.grouping import TimedStart
from bridge_app.domain.intelligence.seen import Seen
from bridge_app.events.envelope import Cause

KEPT_STARTS = 128
SOURCE_PARTITIONS = 64
#: Encoded bytes of the starts, with which the state stays under 64 KiB; the oldest leave first.
STARTS_BYTES = 40 * 1024


class Episode(msgspec.Struct, array_like=True, frozen=True):
    """An open pattern. `changed_us` is when its group last changed, `cause` what changed it."""

    uuid: str
    opened_us: int
    last_us: int
    changed_us: int
    published_us: int
    revision: int
    occurrences: int
    cause: Cause
    deferred: bool


class Cohort(msgspec.Struct, array_like=True, tag="cohort", frozen=True):
    """The state of `cohort|<environment>`: under 64 KiB. `clock_us` is how far time has come, `starts` as they came,
    `window_us` the window that was in force at the last of them; 0 where an earlier release did not keep it.
    """

    seen: Seen
    clock_us: int
    starts: tuple[TimedStart, ...]
    episode: Episode | None
    window_us: int = 0


def bounded(starts: Sequence[TimedStart]) -> tuple[TimedStart, ...]:
    """Return the last starts that the state has room for."""
    last = starts[-KEPT_STARTS:]
    if len(msgspec.msgpack.encode(last)) <= STARTS_BYTES:  # nearly always; together they take more than one by one
        return tuple(last)
    room, kept = STARTS_BYTES, 0
    for start in reversed(last):
        room -= len(msgspec.msgpack.encode(start))
        if room < 0:
            break
        kept += 1
    return tuple(starts[len(starts) - kept :])
