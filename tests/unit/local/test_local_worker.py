from __future__ import annotations

import os
import queue
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.errors import WorkerRefused
from deploy.local.waiting import Backoff, wait_until
from deploy.local.worker import Worker, describe_exit

Start = Callable[..., Worker]


@pytest.fixture
def refusals() -> queue.Queue[WorkerRefused]:
    return queue.Queue()


@pytest.fixture
def start(tmp_path: Path, refusals: queue.Queue[WorkerRefused]) -> Iterator[Start]:
    workers = []

    def start_worker(code: str, prefixed: bool = False) -> Worker:
        worker = Worker(
            "worker-0",
            [sys.executable, "-c", f"import os, signal, sys, time\nopen('starts', 'a').write('x')\n{code}"],
            os.environ,
            cwd=tmp_path,
            pid_file=tmp_path / "worker-0.pid",
            refused=refusals.put,
            prefixed=prefixed,
            backoff=Backoff(first=0.01, longest=0.02),
        )
        workers.append(worker)
        worker.start()
        return worker

    yield start_worker
    for worker in workers:
        worker.stop()


def starts(folder: Path) -> int:
    file = folder / "starts"
    return len(file.read_text()) if file.exists() else 0


@pytest.mark.parametrize("end", ["sys.exit(0)", "sys.exit(1)", "sys.exit(4)", "os.kill(os.getpid(), 9)"])
def test_a_worker_that_ends_is_started_again(tmp_path: Path, start: Start, end: str) -> None:
    start(end)

    assert wait_until(lambda: starts(tmp_path) >= 3, 20)


@pytest.mark.parametrize("code", [2, 3])
def test_a_worker_that_refuses_is_not_started_again(
    tmp_path: Path, start: Start, refusals: queue.Queue[WorkerRefused], code: int
) -> None:
    worker = start(f"sys.exit({code})")

    error = refusals.get(timeout=20)

    assert error.exit_code == code
    worker.stop()
    assert starts(tmp_path) == 1
    assert refusals.empty()


def test_stopping_ends_the_process_and_is_no_refusal(
    tmp_path: Path, start: Start, refusals: queue.Queue[WorkerRefused]
) -> None:
    worker = start("signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))\nopen('on', 'w').close()\nsignal.pause()")
    assert wait_until((tmp_path / "on").exists, 20)

    worker.stop()

    assert not (tmp_path / "worker-0.pid").exists()
    assert refusals.empty()
    assert starts(tmp_path) == 1


def test_stopping_does_not_wait_for_the_pause_before_a_restart(
    tmp_path: Path, refusals: queue.Queue[WorkerRefused], capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Worker(
        "worker-0",
        [sys.executable, "-c", "open('starts', 'a').write('x')"],
        os.environ,
        cwd=tmp_path,
        pid_file=tmp_path / "worker-0.pid",
        refused=refusals.put,
        backoff=Backoff(first=600.0, longest=600.0),
    )
    worker.start()
    assert wait_until(lambda: "starting it again in 600 s" in capsys.readouterr().out, 20)

    before = time.monotonic()
    worker.stop()

    assert time.monotonic() - before < 30


def test_with_several_workers_each_line_says_whose_it_is(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    seen = ""

    def both() -> bool:
        nonlocal seen
        seen += capfd.readouterr().out
        return "[worker-0] one\n" in seen and "[worker-0] two\n" in seen

    start("print('one', flush=True)\nsys.stderr.write('two\\n')\nsys.stderr.flush()\nsignal.pause()", prefixed=True)

    assert wait_until(both, 20)


def test_an_exit_is_told_in_words() -> None:
    assert describe_exit(1) == "exit code 1"
    assert describe_exit(-9) == "signal 9"
