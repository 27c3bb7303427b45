"""Worker processes and what befalls them. Each has its own data folder and log in the experiment's folder."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from tests.lab.waiting import eventually

PROJECT = Path(__file__).parents[2]


class Worker:
    """One worker that can be started again and again; `name` is its instance id and its Kafka client id."""

    def __init__(
        self,
        name: str,
        module: str,
        folder: Path,
        environ: Mapping[str, str],
        *,
        options: Sequence[str] = ("--without-web", "-l", "info"),
    ) -> None:
        self.name = name
        self._options = options
        self.data_folder = folder / name
        self.log_path = folder / f"{name}.log"
        self._module = module
        self._environ = {**environ, "BRIDGE_INSTANCE_ID": name, "BRIDGE_DATA_DIR": str(self.data_folder)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environ: str | int) -> "Worker":
        """Start the process, with further variables for this one time."""
        assert not self.is_running
        self.data_folder.mkdir(parents=True, exist_ok=True)
        (self.data_folder / "report.json").unlink(missing_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "faust", "-A", self._module, "worker", *self._options],
                cwd=PROJECT,
                env={**self._environ, **{name: str(value) for name, value in environ.items()}},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    @property
    def pid(self) -> int:
        """The process id of the last start."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def is_stopped(self) -> bool:
        """Whether the process is there, but frozen."""
        assert self._process is not None
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(self._process.pid)], capture_output=True, check=False)
        return state.stdout.startswith(b"T")

    @property
    def log(self) -> str:
        """Everything the worker has ever said."""
        return self.log_path.read_text(errors="replace")

    @property
    def report(self) -> dict[str, dict[str, Any]]:
        """What its agents had counted when it was stopped, by agent."""
        found: dict[str, dict[str, Any]] = orjson.loads((self.data_folder / "report.json").read_bytes())
        return found

    def wipe(self) -> None:
        """Lose the disk."""
        assert not self.is_running
        shutil.rmtree(self.data_folder)

    def freeze(self) -> None:
        self.tell(signal.SIGSTOP)

    def thaw(self) -> None:
        self.tell(signal.SIGCONT)

    async def exit_code(self, *, seconds: float = 30.0) -> int:
        """Return the exit code when the process has ended, negative for a signal. One that does not end is killed."""
        process = self._process
        assert process is not None
        what = f"{self.name} ends; see {self.log_path}"
        try:
            await eventually(lambda: process.poll() is not None, what, seconds=seconds)
        except AssertionError:
            process.kill()
            process.wait()
            raise
        return int(process.returncode)

    async def terminate(self, *, seconds: float = 30.0) -> int:
        """Ask it to end (SIGTERM); return its exit code."""
        self.tell(signal.SIGTERM)
        return await self.exit_code(seconds=seconds)

    async def kill(self) -> None:
        """kill -9."""
        self.tell(signal.SIGKILL)
        assert await self.exit_code() == -signal.SIGKILL

    def destroy(self) -> None:
        """End it, whatever its state: the experiment is over."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        os.kill(self._process.pid, number)
