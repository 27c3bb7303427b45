"""One segment: a file of records, and where in it each of them lies."""

import os
from array import array
from pathlib import Path
from typing import NamedTuple

from bridge_app.effects.outbox import record as records
from bridge_app.effects.outbox.record import Span
from bridge_app.events.envelope import Outgoing

_INTEGER = "L" if array("I").itemsize < 4 else "I"


class Stored(NamedTuple):
    """A record that waits."""

    sequence: int
    record: Outgoing


class Segment:
    """A file and its index, 8 bytes per record; a record that is lost has no size.

    Sequences run from `first` to `next` - 1 without gaps.
    """

    def __init__(self, first: int, path: Path) -> None:
        self.first = first
        self.path = path
        #: How many bytes of the file are records, damaged ones included.
        self.bytes = 0
        self._starts = array(_INTEGER)
        self._sizes = array(_INTEGER)

    @property
    def next(self) -> int:
        """The sequence behind the last record."""
        return self.first + len(self._sizes)

    def add(self, span: Span) -> None:
        """Enter a record that is in the file; sequences passed over are lost."""
        self.lose_up_to(span.sequence)
        self._starts.append(span.start)
        self._sizes.append(span.end - span.start)
        self.bytes = span.end

    def lose_up_to(self, sequence: int) -> None:
        """Enter what should be there up to a sequence, which is not included, as lost."""
        missing = max(0, sequence - self.next)
        self._starts.extend([0] * missing)
        self._sizes.extend([0] * missing)

    def cut(self, sequence: int) -> None:
        """Forget the records from a sequence on: they belong to the next segment."""
        del self._starts[max(0, sequence - self.first) :]
        del self._sizes[max(0, sequence - self.first) :]

    def tally(self, start: int, stop: int) -> tuple[int, int, int]:
        """Return how many records between two sequences are there, how many bytes they take, and how many are lost."""
        sizes = self._sizes[max(0, start - self.first) : max(0, stop - self.first)]
        lost = sizes.count(0)
        return len(sizes) - lost, sum(sizes), lost

    def read(self, start: int, limit: int) -> tuple[list[Stored], int]:
        """Return up to `limit` records from a sequence on, and how many on the way were found damaged.

        Raises:
            OSError: the file cannot be read.
        """
        wanted = [index for index in range(max(0, start - self.first), len(self._sizes)) if self._sizes[index]][:limit]
        if not wanted:
            return [], 0
        offset = self._starts[wanted[0]]
        data = self._bytes(offset, self._starts[wanted[-1]] + self._sizes[wanted[-1]])
        found: list[Stored] = []
        for index in wanted:
            span = records.whole_at(data, self._starts[index] - offset, self.first + index)
            if span is None or span.sequence != self.first + index:
                self._sizes[index] = 0
            else:
                found.append(Stored(span.sequence, records.decode(data, span)))
        return found, len(wanted) - len(found)

    def _bytes(self, start: int, end: int) -> bytes:
        with self.path.open("rb", buffering=0) as file:
            parts = []
            while start < end and (part := os.pread(file.fileno(), end - start, start)):
                parts.append(part)
                start += len(part)
        return b"".join(parts)
