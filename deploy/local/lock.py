"""One supervisor per profile, and nothing left behind by one that crashed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from . import processes
from .child import stop_recorded
from .environment import Profile
from .errors import Busy
from .terminal import say
from .toolchain import PROJECT, try_lock
from .waiting import wait_until


class Lock:
    """The right to run the profile's stack, held by the supervisor and by its guard, which outlives its crash."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._path = profile.run_folder / "supervisor.lock"
        self._file: int | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def acquire(self) -> None:
        """Take the lock and start the guard. Waits while the guard of a crashed supervisor clears up.

        Raises Busy when a supervisor runs.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        if not try_lock(descriptor):
            holder = self.holder()
            if holder is not None or not self._wait_for_guard(descriptor):
                os.close(descriptor)
                raise Busy(self._profile.name, holder or self.holder() or 0)
        os.truncate(descriptor, 0)
        entry = processes.lookup(os.getpid())
        os.pwrite(descriptor, f"{os.getpid()} {entry.started if entry else ''}\n".encode(), 0)
        self._file = descriptor
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.guard", str(self._profile.run_folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=PROJECT,
            pass_fds=[descriptor],
            start_new_session=True,
        )

    def release(self) -> None:
        """Give the lock back; everything must have been stopped by now."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()
        if self._file is not None:
            os.truncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def holder(self) -> int | None:
        """Return the pid of the supervisor that runs, None when none does."""
        try:
            pid, started = self._path.read_text().strip().split(" ", 1)
        except (OSError, ValueError):
            return None
        entry = processes.lookup(int(pid))
        return entry.pid if entry is not None and entry.alive and entry.started == started else None

    def free(self) -> bool:
        """True when nobody holds it, neither a supervisor nor a guard."""
        if not self._path.exists():
            return True
        descriptor = os.open(self._path, os.O_RDWR)
        try:
            return try_lock(descriptor)
        finally:
            os.close(descriptor)

    def _wait_for_guard(self, descriptor: int) -> bool:
        say("stack", "an earlier supervisor crashed: waiting until what it left is stopped")
        wait_until(lambda: try_lock(descriptor) or self.holder() is not None, 90.0)
        return try_lock(descriptor)


def stop_everything(profile: Profile) -> bool:
    """Stop the profile's supervisor and whatever else runs of the profile; False when nothing did."""
    lock = Lock(profile)
    holder = lock.holder()
    entry = processes.lookup(holder) if holder is not None else None
    if entry is not None:
        processes.send(entry, signal.SIGTERM)
        if not wait_until(lambda: lock.holder() is None, 60.0):
            processes.kill_tree([entry])
    wait_until(lock.free, 90.0)
    left = stop_recorded(profile.run_folder)
    profile.address_file.unlink(missing_ok=True)
    return holder is not None or bool(left)
