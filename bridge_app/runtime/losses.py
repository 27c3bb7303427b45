"""Records that their topic dropped before they were read: reported exactly, never silently (resilience, F10).

Retention and an operator's `delete-records` ask no consumer group. What was lost lies between the next offset to read
and the log's start; a gap between two records that were read is no loss when the log starts before it (compaction and
the marks of transactions leave gaps).
"""

from typing import NamedTuple


class Lost(NamedTuple):
    """The records of a partition from offset `first` up to, but without, `end`, which `group` will never read."""

    group: str
    topic: str
    partition: int
    first: int
    end: int

    @property
    def records(self) -> int:
        """How many records that is at most: the log may have had gaps there."""
        return self.end - self.first

    def __str__(self) -> str:
        return (
            f"{self.topic}-{self.partition} lost offsets {self.first} to {self.end - 1} before {self.group} read them: "
            "the topic's retention is too short for how far it lagged"
        )


def lost_before(group: str, tp: tuple[str, int], wanted: int, found: int, log_start: int) -> Lost | None:
    """Return what was lost when offset `wanted` was to be read next and the first record there is at `found`.

    `log_start` is where the partition's log starts now; it may have moved beyond `found` meanwhile.
    """
    end = min(found, log_start)
    return Lost(group, *tp, wanted, end) if end > wanted else None
