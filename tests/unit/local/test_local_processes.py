from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from deploy.local import processes
from deploy.local.child import Child, read_record, stop_recorded
from deploy.local.waiting import wait_until

SLEEP = [sys.executable, "-c", "import signal; signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); signal.pause()",
]
PARENT = [
    sys.executable,
    "-c",
    "import signal, subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'],"
    " start_new_session=True); print(p.pid, flush=True); signal.pause()",
]


@contextmanager
def started(pid_file: Path, argv: list[str], grace: float = 20.0) -> Iterator[Child]:
    child = Child(pid_file, grace=grace)
    child.start(argv, env=os.environ, cwd=pid_file.parent, stdout=subprocess.PIPE)
    try:
        yield child
    finally:
        child.kill()
        if child.output is not None:
            child.output.close()


def test_a_name_with_blanks_and_parentheses_does_not_confuse_the_process_table() -> None:
    fields = ["S", "7", *["0"] * 17, "4711", "0"]

    entry = processes.parse_stat(f"42 (a) b (c) {' '.join(fields)}")

    assert (entry.pid, entry.parent, entry.state, entry.alive) == (42, 7, "S", True)
    assert entry.started.endswith(":4711")


def test_a_process_is_found_with_its_descendants_parents_first(tmp_path: Path) -> None:
    with started(tmp_path / "x.pid", PARENT) as child:
        assert child.output is not None
        grandchild = int(child.output.readline())

        assert [entry.pid for entry in processes.tree(child.pid or 0)] == [child.pid, grandchild]


def test_a_kill_takes_descendants_in_other_sessions_along(tmp_path: Path) -> None:
    with started(tmp_path / "x.pid", PARENT) as child:
        assert child.output is not None
        grandchild = processes.lookup(int(child.output.readline()))
        assert grandchild is not None

        child.kill()

        assert not processes.send(grandchild, 0)
        assert not child.alive()


def test_an_orphan_is_adopted_by_its_pid_file_and_stopped(tmp_path: Path) -> None:
    with started(tmp_path / "x.pid", SLEEP) as child:
        later = Child(tmp_path / "x.pid")

        record = later.adopt()

        assert record is not None
        assert record.pid == child.pid
        assert later.alive()
        later.stop()
        assert not child.alive()
        assert child.exit_code == -signal.SIGTERM
        assert not (tmp_path / "x.pid").exists()


def test_a_pid_that_was_used_again_is_never_signalled(tmp_path: Path) -> None:
    file = tmp_path / "x.pid"
    with started(file, SLEEP) as stranger:
        record = read_record(file)
        assert record is not None
        file.write_text(json.dumps(asdict(replace(record, started="another boot:1"))))

        assert Child(file).adopt() is None
        assert not file.exists()
        file.write_text(json.dumps(asdict(replace(record, started="another boot:1"))))
        assert stop_recorded(tmp_path) == []
        entry = processes.lookup(record.pid)
        assert entry is not None
        assert not processes.send(replace(entry, started="another boot:1"), signal.SIGKILL)
        assert stranger.alive()


def test_a_process_that_ended_meanwhile_is_not_adopted_although_nobody_reaped_it(tmp_path: Path) -> None:
    with started(tmp_path / "x.pid", [sys.executable, "-c", ""]) as child:
        zombie = processes.lookup(child.pid or 0)
        assert zombie is not None
        assert wait_until(lambda: (processes.lookup(zombie.pid) or zombie).state == "Z", 10)

        assert Child(tmp_path / "x.pid").adopt() is None


def test_who_does_not_end_within_its_grace_is_killed(tmp_path: Path) -> None:
    with started(tmp_path / "x.pid", STUBBORN, grace=0.2) as child:
        assert child.output is not None
        child.output.readline()

        before = time.monotonic()
        child.stop()

        assert child.exit_code == -signal.SIGKILL
        assert 0.2 <= time.monotonic() - before < 20


def test_a_paused_child_is_alive_and_can_be_stopped_in_order(tmp_path: Path) -> None:
    with started(tmp_path / "x.pid", SLEEP) as child:
        child.pause()
        assert state_of(child) == "T"
        assert child.alive()
        child.resume()
        assert wait_until(lambda: state_of(child) == "S", 10)
        child.pause()

        child.stop()

        assert child.exit_code == -signal.SIGTERM


def state_of(child: Child) -> str:
    entry = processes.lookup(child.pid or 0)
    return entry.state if entry else ""


def test_everything_recorded_is_stopped_workers_first(tmp_path: Path) -> None:
    names = ("kafka", "worker-1", "consul", "worker-0")
    (tmp_path / "broken.pid").write_text("{")
    children = [Child(tmp_path / f"{name}.pid") for name in names]
    for child in children:
        child.start(SLEEP, env=os.environ, cwd=tmp_path)
    try:
        assert stop_recorded(tmp_path, "worker-1.pid") == ["worker-1"]
        assert children[0].alive()
        assert stop_recorded(tmp_path) == ["worker-0", "consul", "kafka"]
        assert not any(child.alive() for child in children)
        assert list(tmp_path.glob("*.pid")) == []
    finally:
        for child in children:
            child.kill()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "null"])
def test_a_pid_file_that_is_not_whole_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.pid").write_text(text)

    assert read_record(tmp_path / "x.pid") is None
    assert Child(tmp_path / "x.pid").adopt() is None
