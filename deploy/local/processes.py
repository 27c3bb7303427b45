"""Processes as the system knows them: who runs, since when, with which children.

A process is identified by its pid and its start, because pids are used again: what a pid file names is signalled only
if both match.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")
_DEAD = ("Z", "X")


@dataclass(frozen=True)
class Entry:
    """A row of the process table; `started` is an opaque text, equal only for the same process of the same boot."""

    pid: int
    parent: int
    state: str
    started: str

    @property
    def alive(self) -> bool:
        """False for a zombie, which nobody may ever reap in a container."""
        return self.state[:1] not in _DEAD


def lookup(pid: int) -> Entry | None:
    """Return the process with this pid, or None."""
    if not _has_proc():
        return next(_from_ps("-p", str(pid)), None)
    try:
        return parse_stat((_PROC / str(pid) / "stat").read_text(errors="replace"))
    except OSError:
        return None


def tree(pid: int) -> list[Entry]:
    """Return the process and all that descend from it, parents first; empty when there is none."""
    rows = list(_all())
    found = [row for row in rows if row.pid == pid]
    for parent in found:  # grows while it is walked
        found.extend(row for row in rows if row.parent == parent.pid and row not in found)
    return found


def send(entry: Entry, number: int) -> bool:
    """Signal exactly this process; False when it is gone (or its pid belongs to another one by now)."""
    now = lookup(entry.pid)
    if now is None or now.started != entry.started or not now.alive:
        return False
    try:
        os.kill(entry.pid, number)
    except ProcessLookupError:
        return False
    return True


def is_stopped(entry: Entry) -> bool:
    """True when SIGSTOP has taken effect in every thread of the process, or when it is gone."""
    if not _has_proc():
        now = lookup(entry.pid)
        return now is None or now.state.startswith("T")
    states = []
    for thread in (_PROC / str(entry.pid) / "task").glob("*/stat"):
        with suppress(OSError):
            states.append(parse_stat(thread.read_text(errors="replace")).state)
    return all(state in ("T", *_DEAD) for state in states)


def kill_tree(entries: list[Entry]) -> None:
    """SIGKILL every one of `entries` that still runs, and whatever descends from them by now. Does not wait."""
    for root in entries:
        for entry in [*tree(root.pid), root]:
            send(entry, signal.SIGKILL)


def parse_stat(text: str) -> Entry:
    """Read one /proc/<pid>/stat; the name in parentheses may itself hold blanks and parentheses."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Entry(
        pid=int(head.split(" ", 1)[0]),
        parent=int(fields[1]),
        state=fields[0],
        started=f"{_boot_id()}:{fields[19]}",
    )


@lru_cache(maxsize=1)
def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


@lru_cache(maxsize=1)
def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _all() -> Iterator[Entry]:
    if not _has_proc():
        yield from _from_ps("-ax")
        return
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (entry := lookup(int(folder.name))) is not None:
            yield entry


def _from_ps(*which: str) -> Iterator[Entry]:
    """The table of systems without /proc (macOS)."""
    listing = subprocess.run(
        ["ps", *which, "-o", "pid=,ppid=,state=,lstart="],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    for line in listing.stdout.splitlines():
        pid, parent, state, started = line.split(None, 3)
        yield Entry(int(pid), int(parent), state, started.strip())
