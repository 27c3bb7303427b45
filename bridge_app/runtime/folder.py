"""The data folder of a worker: its own, for as long as it runs."""

import fcntl
from pathlib import Path
from typing import IO

from bridge_app.errors import SettingsError

LOCK_NAME = "worker.lock"


def claim(folder: Path) -> IO[bytes]:
    """Make the folder if need be, and lock it; it is free again when the returned file is closed, or the process ends.

    Raises:
        SettingsError: it cannot be written, or another worker has it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK_NAME).open("ab")
    except OSError as error:
        raise SettingsError(f"BRIDGE_DATA_DIR={folder}: cannot be used: {error.strerror or error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise SettingsError(f"BRIDGE_DATA_DIR={folder}: another worker uses it; each needs one of its own") from error
    return lock
