"""Records, and journals over a folder."""

from collections.abc import Iterable
from pathlib import Path

from bridge_app.effects.outbox.disk import Disk
from bridge_app.effects.outbox.folder import Folder
from bridge_app.effects.outbox.journal import Journal
from bridge_app.events.envelope import Outgoing


def record(number: int, *, size: int = 10) -> Outgoing:
    """Return a record that is recognised by its key."""
    headers = [("event_id", f"id-{number}".encode())]
    return Outgoing("hooks.x", str(number).encode(), b"x" * size, 1_700_000_000_000 + number, headers)


def records(count: int, *, start: int = 1) -> list[Outgoing]:
    return [record(number) for number in range(start, start + count)]


def opened(path: Path, *, disk: Disk | None = None, segment_bytes: int = 1_000_000) -> Journal:
    """Return a journal on a folder, opened."""
    journal = Journal(Folder(path, disk or Disk()), segment_bytes=segment_bytes)
    journal.open()
    return journal


def waiting(journal: Journal) -> list[int]:
    """Return the numbers of the records that wait, in order."""
    return numbers(stored.record for stored in journal.read(1_000_000).records)


def numbers(found: Iterable[Outgoing]) -> list[int]:
    return [int(one.key) for one in found]
