"""The files of an outbox.

<first sequence>.segment    records, appended; the next segment begins where this one ends
<first sequence>.corrupt    a segment as it was found damaged, kept for whoever wants to look into it
position                    the sequence of the first record that Kafka has not acknowledged yet
rejected/<sequence>-<event id>.json
                            a record that the broker refuses for good, readable
"""

import base64
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import orjson

from bridge_app.effects.outbox.disk import Disk
from bridge_app.events.envelope import Outgoing

SEGMENT, CORRUPT = ".segment", ".corrupt"
POSITION = "position"
REJECTED = "rejected"
_DIGITS = 20


class Folder:
    """Where everything lies, and how it is written."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self.disk = disk

    def make(self) -> None:
        """Make the folders, durably."""
        (self.path / REJECTED).mkdir(parents=True, exist_ok=True)
        self.disk.sync_folder(self.path)
        self.disk.sync_folder(self.path.parent)

    def segment(self, first: int) -> Path:
        return self.path / f"{first:0{_DIGITS}d}{SEGMENT}"

    def segments(self) -> list[tuple[int, Path]]:
        """Return every segment with its first sequence, in order."""
        return sorted((int(path.stem), path) for path in self.path.glob(f"{'[0-9]' * _DIGITS}{SEGMENT}"))

    def read_position(self) -> int | None:
        """Return the position, None when there is none that can be trusted: everything is to be sent again then."""
        try:
            text, checksum = (self.path / POSITION).read_text().split()
        except (FileNotFoundError, UnicodeDecodeError, ValueError):
            return None
        return int(text) if text.isdecimal() and checksum == _checksum(text) else None

    def write_position(self, sequence: int) -> None:
        self.disk.replace(self.path / POSITION, f"{sequence} {_checksum(str(sequence))}\n".encode())

    def keep_corrupt(self, segment: Path, data: bytes) -> tuple[Path, bool]:
        """Keep a copy of a damaged segment; return where, and whether it is a new one."""
        path = next(path for path in _names(segment) if not path.exists() or path.read_bytes() == data)
        is_new = not path.exists()
        if is_new:
            self.disk.replace(path, data)
        return path, is_new

    def keep_rejected(self, sequence: int, record: Outgoing, reason: str) -> Path:
        """Keep a record that Kafka will not take; return where."""
        event_id = dict(record.headers).get("event_id", b"").decode(errors="replace")
        name = f"{sequence:0{_DIGITS}d}-{event_id or record.timestamp_ms}.json".replace("/", "_")
        path = self.path / REJECTED / name
        self.disk.replace(path, orjson.dumps({"reason": reason, **_readable(record)}, option=orjson.OPT_INDENT_2))
        return path

    def count_rejected(self) -> int:
        """Return how many records lie in `rejected/`."""
        return sum(1 for _ in (self.path / REJECTED).glob("*.json"))


def _checksum(text: str) -> str:
    return f"{google_crc32c.value(text.encode()):08x}"


def _names(segment: Path) -> Iterator[Path]:
    yield segment.with_suffix(CORRUPT)
    number = 1
    while True:
        yield segment.with_suffix(f"{CORRUPT}.{number}")
        number += 1


def _readable(record: Outgoing) -> dict[str, object]:
    """Return a record as JSON has it; bytes that are no text are given in base64, under a name that says so."""
    parts: dict[str, object] = {
        "topic": record.topic,
        "timestamp_ms": record.timestamp_ms,
        "headers": {name: value.decode(errors="replace") for name, value in record.headers},
    }
    for name, content in (("key", record.key), ("value", record.value)):
        try:
            parts[name] = content.decode()
        except UnicodeDecodeError:
            parts[f"{name}_base64"] = base64.b64encode(content).decode()
    return parts
