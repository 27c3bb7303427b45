"""What a start finds in the folder, and puts right.

A torn last record is cut off: it was never answered. A damaged one is lost; the records around it are not, and the
segment is kept as it was found.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import structlog

from bridge_app.effects.outbox.folder import Folder
from bridge_app.effects.outbox.record import Damage, Span, Torn, scan
from bridge_app.effects.outbox.segment import Segment

log = structlog.get_logger(__name__)


class Loss(NamedTuple):
    """Accepted records that can be read no more, at least so many; `files` are the damaged segments, kept."""

    records: int
    files: tuple[Path, ...]


class Finding(NamedTuple):
    """What there is: the first record to be sent, the segments that hold some, and what was newly found lost."""

    position: int
    segments: list[Segment]
    next_sequence: int
    loss: Loss | None


class _Scanned(NamedTuple):
    """A segment, whether damage was newly found in it, where it is kept, and whether its end is damaged."""

    segment: Segment
    newly_damaged: bool = False
    kept: Path | None = None
    ends_damaged: bool = False


def recover(folder: Folder) -> Finding:
    """Read everything and put it right.

    Raises:
        OSError: the folder cannot be read or written.
    """
    scanned = [_scan(folder, first, path) for first, path in folder.segments()]
    for one, following in pairwise(scanned):
        one.segment.cut(following.segment.first)
        one.segment.lose_up_to(following.segment.first)
    position = folder.read_position()
    if position is None:
        position = scanned[0].segment.first if scanned else 1
    loss = _loss(scanned, position)
    segments = [one.segment for one in scanned if one.segment.tally(position, one.segment.next)[0]]
    for one in scanned:
        if one.segment not in segments:
            folder.disk.delete(one.segment.path)
    return Finding(position, segments, max([position, *(one.segment.next for one in scanned)]), loss)


def _scan(folder: Folder, first: int, path: Path) -> _Scanned:
    data = path.read_bytes()
    segment = Segment(first, path)
    damaged = ends_damaged = False
    for item in scan(data, first):
        match item:
            case Span():
                segment.add(item)
            case Damage():
                damaged, ends_damaged = True, item.end == len(data)
            case Torn():
                log.warning("outbox_tail_cut", file=path.name, offset=item.start, bytes=item.end - item.start)
                folder.disk.truncate(path, item.start)
    if not damaged:
        return _Scanned(segment)
    kept, is_new = folder.keep_corrupt(path, data)
    return _Scanned(segment, is_new, kept, ends_damaged)


def _loss(scanned: Sequence[_Scanned], position: int) -> Loss | None:
    """Count what is lost from the position on, but for damage that was found, and told, at an earlier start."""
    if not scanned:
        return None
    known = [one.kept is not None and not one.newly_damaged for one in scanned]
    lost = max(0, scanned[0].segment.first - position)
    for one, is_known in zip(scanned, known, strict=True):
        if not is_known:
            lost += one.segment.tally(position, one.segment.next)[2]
    if scanned[-1].ends_damaged and scanned[-1].newly_damaged:
        lost += 1  # at least: nothing behind it says how many
    files = tuple(one.kept for one in scanned if one.kept is not None and one.newly_damaged)
    return Loss(lost, files) if lost else None
