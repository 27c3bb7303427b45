"""Stops what a crashed supervisor left: `python -m deploy.local.guard RUN_FOLDER`, started by every supervisor.

It reads its standard input, a pipe whose other end only the supervisor holds. The end of file means that the supervisor
is gone, however it ended. The guard then stops what the pid files still name (nothing, after an orderly end). It has
inherited the profile's lock, so the next supervisor starts only when this is done. When the guard was killed too, the
next supervisor finds the processes by their pid files.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from .child import stop_recorded


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    run_folder = Path(sys.argv[1])
    stopped = stop_recorded(run_folder)
    if stopped:
        note(run_folder.parent / "log" / "guard.log", stopped)
    with suppress(OSError):
        (run_folder.parent / "local.env").unlink()


def note(log: Path, stopped: list[str]) -> None:
    """Leave a trace: after an orderly end there is nothing to stop, so a line here tells of a crash."""
    with suppress(OSError), log.open("a") as file:
        file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} stopped after a crash: {', '.join(stopped)}\n")


if __name__ == "__main__":
    main()
