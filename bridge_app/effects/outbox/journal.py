"""The log over the files: append, read, advance. It blocks, and one thread at a time may use it.

Sequences have no gaps. A record belongs to the last segment that begins at or before its sequence; so what a failed
write left behind in a closed segment is nobody's, once the next segment begins with the same sequence.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bridge_app.effects.outbox import record as records
from bridge_app.effects.outbox.folder import Folder
from bridge_app.effects.outbox.record import Span
from bridge_app.effects.outbox.recovery import Loss, recover
from bridge_app.effects.outbox.segment import Segment, Stored
from bridge_app.events.envelope import Outgoing

SEGMENT_BYTES = 64 * 1024 * 1024


class Window(NamedTuple):
    """The next records to be sent, in order, and what was found damaged among them."""

    records: list[Stored]
    loss: Loss | None


class Journal:
    """The outbox of one worker. `open` first.

    `pending` records of `pending_bytes` wait; the first of them has the sequence `position`, unless it is lost.
    """

    def __init__(self, folder: Folder, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._disk = folder.disk
        self._segment_bytes = segment_bytes
        self._segments: list[Segment] = []
        self._descriptor: int | None = None
        self.position = 1
        self.next_sequence = 1
        self.pending = 0
        self.pending_bytes = 0

    def open(self) -> Loss | None:
        """Take over what an earlier process left; return what was newly found lost.

        Raises:
            OSError: the folder cannot be read or written.
        """
        self._folder.make()
        found = recover(self._folder)
        self.position, self.next_sequence = found.position, found.next_sequence
        self._segments = list(found.segments)
        self.pending, self.pending_bytes = self._between(self.position, self.next_sequence)
        return found.loss

    def append(self, new: Sequence[Outgoing]) -> None:
        """Write records behind all others; they are durable when it returns.

        Raises:
            OSError: nothing was accepted. The segment is never written again, the next call begins a new one.
        """
        parts = [records.encode(sequence, record) for sequence, record in enumerate(new, self.next_sequence)]
        size = sum(map(len, parts))
        descriptor, segment = self._writable(size)
        try:
            self._disk.write(descriptor, b"".join(parts))
            self._disk.sync(descriptor)
        except BaseException:
            self._give_up(segment)
            raise
        for part in parts:
            segment.add(Span(self.next_sequence, segment.bytes, segment.bytes + len(part)))
            self.next_sequence += 1
        self.pending += len(parts)
        self.pending_bytes += size

    def read(self, limit: int) -> Window:
        """Return the records at the position: at most `limit`, and none only if none waits.

        Raises:
            OSError: a file cannot be read.
        """
        found: list[Stored] = []
        damaged = 0
        files: list[Path] = []
        for segment in self._segments:
            while len(found) < limit and segment.tally(self._behind(found), segment.next)[0]:
                more, bad = segment.read(self._behind(found), limit - len(found))
                found += more
                damaged += bad
                if bad:
                    files.append(self._folder.keep_corrupt(segment.path, segment.path.read_bytes())[0])
        if damaged:
            self.pending, self.pending_bytes = self._between(self.position, self.next_sequence)
        return Window(found, Loss(damaged, tuple(files)) if damaged else None)

    def advance(self, last: int) -> None:
        """Forget every record up to and with the sequence `last`: write the position, delete used-up segments.

        Raises:
            OSError: the position was not written; nothing is forgotten.
        """
        self._folder.write_position(last + 1)
        count, size = self._between(self.position, last + 1)
        self.position = last + 1
        self.pending_bytes -= size
        self.pending -= count
        if not self.pending:
            self._close_segment()
        while self._segments and self._is_used_up(self._segments[0]):
            with contextlib.suppress(OSError):  # it is found, and deleted, at the next start
                self._disk.delete(self._segments[0].path)
            del self._segments[0]

    def reject(self, stored: Stored, reason: str) -> Path:
        """Keep a record that Kafka refuses for good; return where. The position is not moved."""
        return self._folder.keep_rejected(stored.sequence, stored.record, reason)

    def free_bytes(self) -> int:
        """Return what is free on the disk."""
        return self._disk.free_bytes(self._folder.path)

    def try_segment(self) -> None:
        """Have a segment ready for the next record.

        Raises:
            OSError: none can be begun.
        """
        self._writable(0)

    def close(self) -> None:
        """Close the files; everything accepted is durable already."""
        self._close_segment()

    def _behind(self, found: list[Stored]) -> int:
        return found[-1].sequence + 1 if found else self.position

    def _between(self, start: int, stop: int) -> tuple[int, int]:
        """Return how many records from `start` up to `stop` are there, and how many bytes they take."""
        count = size = 0
        for segment in self._segments:
            more, bytes_more, _ = segment.tally(start, min(stop, segment.next))
            count, size = count + more, size + bytes_more
        return count, size

    def _is_used_up(self, segment: Segment) -> bool:
        is_written = self._descriptor is not None and segment is self._segments[-1]
        return not is_written and not segment.tally(self.position, segment.next)[0]

    def _writable(self, size: int) -> tuple[int, Segment]:
        """Return a segment that takes `size` bytes more; a new one has no records, whatever was there before."""
        if self._descriptor is not None and 0 < self._segments[-1].bytes > self._segment_bytes - size:
            self._close_segment()
        if self._descriptor is None:
            path = self._folder.segment(self.next_sequence)
            with contextlib.suppress(FileNotFoundError):  # one that was begun by this name holds nothing accepted
                self._disk.delete(path)
            self._descriptor = self._disk.create(path)
            self._segments = [one for one in self._segments if one.path != path]
            self._segments.append(Segment(self.next_sequence, path))
        return self._descriptor, self._segments[-1]

    def _give_up(self, segment: Segment) -> None:
        """Close a segment for good. What was not accepted is cut off, if the disk still does that much."""
        self._close_segment()
        with contextlib.suppress(OSError):
            self._disk.truncate(segment.path, segment.bytes)

    def _close_segment(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):  # it was synced as far as it counts
                self._disk.close(descriptor)
