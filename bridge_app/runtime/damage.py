"""A RocksDB folder that cannot be trusted is set aside, and its state is read again from the changelog (resilience §7).

Damage shows when a database is opened, or later, when a block is read whose checksum is wrong. In the second case the
database is marked and the worker ends; its next start sets the database aside. State is where the changelog is, so that
costs the time to read it and nothing else.
"""

import shutil
from pathlib import Path
from typing import Any

#: Beside a database: it is to be set aside before it is opened again.
MARK = ".damaged"
#: What a database is renamed to; an earlier one of the same partition is dropped.
ASIDE = ".set-aside"

_DAMAGE = ("Corruption", "Invalid argument", "No such file or directory", "File exists", "Not a directory")
_UNUSABLE = ("Resource temporarily unavailable", "Permission denied", "Read-only file system")


def is_damage(error: BaseException) -> bool:
    """Tell whether an error of RocksDB means that what is on the disk cannot be read. It raises bare exceptions."""
    return any(text in str(error) for text in _DAMAGE)


def is_unusable(error: BaseException) -> bool:
    """Tell whether an error of RocksDB means that another process has the folder, or that it cannot be written."""
    return any(text in str(error) for text in _UNUSABLE)


def check_last(database: Any, last: bytes | None) -> None:
    """Return when `last` is the last key of an open database: RocksDB's iterators stop at a damaged block without a
    word, so whoever has read all keys asks whether that was all.

    Raises:
        OSError, Exception: `is_damage` tells so of both.
    """
    iterator = database.iter()
    iterator.seek_to_last()
    iterator.status()
    if iterator.valid() and iterator.key() != last:
        raise OSError(f"Corruption: nothing can be read behind {last!r}")


def mark(database: Path, reason: str) -> None:
    """Have a database set aside when it is opened next."""
    _beside(database, MARK).write_text(reason)


def marked(database: Path) -> str | None:
    """Return why a database is to be set aside, None when it is not."""
    file = _beside(database, MARK)
    return (file.read_text() or "damaged") if file.exists() else None


def set_aside(database: Path) -> Path:
    """Rename a database that is closed, and return where it is now; what had been set aside there before is deleted."""
    aside = _beside(database, ASIDE)
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)
    if database.exists():
        database.rename(aside)
    _beside(database, MARK).unlink(missing_ok=True)
    return aside


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)
