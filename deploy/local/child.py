"""One child process, remembered in a pid file so that it can be found again after a crash of whoever started it."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from . import processes
from .waiting import wait_until


@dataclass(frozen=True)
class Record:
    """What a pid file holds: enough to recognise the process, and to stop it without knowing what it is."""

    pid: int
    started: str
    command: str
    stop_signal: int
    grace: float


def read_record(path: Path) -> Record | None:
    """Return what the pid file holds; None when there is none or it is not whole."""
    try:
        return Record(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def fingerprint(argv: Sequence[str]) -> str:
    """Tell two command lines apart, without writing a secret that one of them may hold."""
    return hashlib.sha256("\0".join(argv).encode()).hexdigest()[:16]


#: How long a child may take to end before it is killed.
GRACE_SECONDS = 20.0


class Child:
    """A child in a session of its own, unless told otherwise: a Ctrl-C reaches only who started it."""

    def __init__(self, pid_file: Path, *, stop_signal: int = signal.SIGTERM, grace: float = GRACE_SECONDS) -> None:
        self._pid_file = pid_file
        self._stop_signal = int(stop_signal)
        self._grace = grace
        self._popen: subprocess.Popen[bytes] | None = None
        self._record: Record | None = None

    @property
    def pid(self) -> int | None:
        return self._record.pid if self._record else None

    @property
    def exit_code(self) -> int | None:
        """The exit code (negative: the signal) of a child that was started here and has ended, else None."""
        return self._popen.poll() if self._popen else None

    @property
    def output(self) -> IO[bytes] | None:
        """The reading end, when it was started with `stdout=subprocess.PIPE`."""
        return self._popen.stdout if self._popen else None

    def start(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, **popen: Any) -> None:
        """Start it and write the pid file. Raises OSError when the program cannot be executed."""
        options = {"stdin": subprocess.DEVNULL, "start_new_session": True, **popen}
        self._popen = subprocess.Popen(list(argv), env=dict(env), cwd=cwd, **options)
        entry = processes.lookup(self._popen.pid)
        started = entry.started if entry else ""
        self._record = Record(self._popen.pid, started, fingerprint(argv), self._stop_signal, self._grace)
        self._pid_file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._pid_file.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self._record)))
        draft.replace(self._pid_file)

    def adopt(self) -> Record | None:
        """Take over the process that the pid file names, if it still is that one and runs; else forget the file."""
        if self._popen is not None and self._popen.poll() is None:
            return self._record
        self._popen = None
        self._record = read_record(self._pid_file)
        if not self.alive():
            self._forget()
        return self._record

    def alive(self) -> bool:
        if self._popen is not None:
            return self._popen.poll() is None
        entry = self._entry()
        return entry is not None and entry.alive

    def wait(self, seconds: float) -> bool:
        """Block until it has ended; False when it still runs after `seconds`."""
        return wait_until(lambda: not self.alive(), seconds, every=0.05)

    def stop(self) -> None:
        """Ask it to end, SIGKILL it and its descendants when its grace is over. Returns when all are gone.

        A paused process is resumed first. Nothing happens when it does not run.
        """
        family = self._family()
        if family and self.alive():
            for entry in family:
                processes.send(entry, signal.SIGCONT)
            processes.send(family[0], self._stop_signal)
            self.wait(self._grace)
        self._end(family)

    def kill(self) -> None:
        """SIGKILL it and everything that descends from it: what a crash looks like. Returns when all are gone."""
        self._end(self._family())

    def pause(self) -> None:
        """SIGSTOP it and everything that descends from it: it keeps its connections and answers nothing.

        Returns when no thread of theirs runs any more.
        """
        family = self._family()
        for entry in family:
            processes.send(entry, signal.SIGSTOP)
        wait_until(lambda: all(map(processes.is_stopped, family)), 10.0, every=0.005)

    def resume(self) -> None:
        for entry in self._family():
            processes.send(entry, signal.SIGCONT)

    def _entry(self) -> processes.Entry | None:
        if self._record is None:
            return None
        entry = processes.lookup(self._record.pid)
        return entry if entry is not None and entry.started == self._record.started else None

    def _family(self) -> list[processes.Entry]:
        entry = self._entry()
        return processes.tree(entry.pid) if entry else []

    def _end(self, family: list[processes.Entry]) -> None:
        processes.kill_tree(family)
        if self._popen is not None:
            self._popen.wait()
        wait_until(lambda: not any(processes.send(entry, 0) for entry in family), 10.0, every=0.02)
        self._forget()

    def _forget(self) -> None:
        self._record = None
        with suppress(FileNotFoundError):
            self._pid_file.unlink()


def stop_recorded(run_folder: Path, pattern: str = "*.pid") -> list[str]:
    """Stop everything that the pid files of `run_folder` name, workers first, then the servers; returns the names."""
    names = []
    for pid_file in sorted(run_folder.glob(pattern), key=lambda path: (not path.stem.startswith("worker"), path.stem)):
        record = read_record(pid_file)
        if record is None:
            with suppress(FileNotFoundError):
                pid_file.unlink()
            continue
        child = Child(pid_file, stop_signal=record.stop_signal, grace=record.grace)
        if child.adopt():
            names.append(pid_file.stem)
            child.stop()
    return names
