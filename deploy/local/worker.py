"""One worker process, started again whenever it ends, unless it says that this is pointless."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from .child import GRACE_SECONDS, Child
from .errors import WorkerRefused
from .terminal import say
from .waiting import Backoff, wait_until

# 2: the configuration is wrong. 3: the state on disk or in Kafka does not fit. Both last until a human acts.
REFUSALS = (2, 3)


class Worker:
    """Keeps one worker running from `start` to `stop`.

    `grace` is how many seconds it may take to end. `refused` is called once, from the worker's own thread, when it ends
    with one of REFUSALS; it is not restarted then.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        cwd: Path,
        pid_file: Path,
        refused: Callable[[WorkerRefused], None],
        grace: float = GRACE_SECONDS,
        prefixed: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environ = dict(environ)
        self._cwd = cwd
        self._child = Child(pid_file, grace=grace)
        self._refused = refused
        self._prefixed = prefixed
        self._backoff = backoff or Backoff()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_running, name=name, daemon=True)

    def start(self) -> None:
        """Return at once. What an earlier supervisor left under this name must have been stopped."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end, SIGKILL it when its grace is over; returns when it is gone."""
        self._stop.set()
        self._child.stop()
        self._thread.join()

    def _keep_running(self) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            code = self._run_once()
            if self._stop.is_set():
                return
            if code in REFUSALS:
                self._refused(WorkerRefused(self.name, code))
                return
            pause = self._backoff.after(time.monotonic() - started)
            say(self.name, f"ended with {describe_exit(code)}: starting it again in {pause:g} s")
            self._stop.wait(pause)

    def _run_once(self) -> int:
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if self._prefixed else {}
        self._child.start(self._command, env=self._environ, cwd=self._cwd, **output)
        if self._stop.is_set():
            self._child.stop()
        if self._child.output is not None:
            self._forward(self._child.output)
        wait_until(lambda: not self._child.alive(), float("inf"))
        code = self._child.exit_code
        return 0 if code is None else code

    def _forward(self, output: IO[bytes]) -> None:
        """Copy its lines with its name before each, until it has closed its output."""
        with output:
            for line in output:
                say(self.name, line.decode(errors="replace").rstrip("\n"))


def describe_exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
