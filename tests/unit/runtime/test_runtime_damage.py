"""What RocksDB cannot read is noticed, marked and set aside."""

import gc
import os
from pathlib import Path

import pytest

from bridge_app.runtime import damage
from bridge_app.runtime.store import SharedOptions

KEYS = 2_000


def make(path: Path) -> bytes:
    """Make a database whose keys are in a table on the disk; return the last key."""
    database = SharedOptions().open(path)
    for number in range(KEYS):
        database.put(b"k%06d" % number, os.urandom(50))
    database.flush()
    del database
    gc.collect()
    return b"k%06d" % (KEYS - 1)


def flip(path: Path) -> None:
    (table,) = path.glob("*.sst")
    data = table.read_bytes()
    middle = len(data) // 2
    table.write_bytes(data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 100]) + data[middle + 100 :])


def test_an_iteration_that_ended_at_a_damaged_block_is_noticed(tmp_path: Path) -> None:
    last = make(tmp_path / "db")
    database = SharedOptions().open(tmp_path / "db")
    assert [key for key, _ in database.items()][-1] == last
    damage.check_last(database, last)
    del database
    gc.collect()

    flip(tmp_path / "db")
    database = SharedOptions().open(tmp_path / "db")
    read = [key for key, _ in database.items()]
    assert 0 < len(read) < KEYS  # without a word
    with pytest.raises(OSError, match="nothing can be read behind") as raised:
        damage.check_last(database, read[-1])
    assert damage.is_damage(raised.value)


def test_an_empty_database_is_complete(tmp_path: Path) -> None:
    damage.check_last(SharedOptions().open(tmp_path / "db"), None)


def test_a_marked_database_is_set_aside_once_and_replaces_what_was_there(tmp_path: Path) -> None:
    database = tmp_path / "t-0.db"
    for content in ("first", "second"):
        database.mkdir()
        (database / "file").write_text(content)
        damage.mark(database, "a reason")
        assert damage.marked(database) == "a reason"
        aside = damage.set_aside(database)
        assert not database.exists()
        assert damage.marked(database) is None
        assert (aside / "file").read_text() == content


@pytest.mark.parametrize(
    ("text", "damaged", "unusable"),
    [
        ("Corruption: block checksum mismatch", True, False),
        ("IO error: No such file or directory: While opening MANIFEST-000005", True, False),
        ("IO error: While lock file: LOCK: Resource temporarily unavailable", False, True),
        ("Read-only file system (os error 30)", False, True),
        ("IO error: No space left on device: While appending to file", False, False),
    ],
)
def test_what_an_error_of_rocksdb_means(text: str, damaged: bool, unusable: bool) -> None:
    error = Exception(text)
    assert (damage.is_damage(error), damage.is_unusable(error)) == (damaged, unusable)
