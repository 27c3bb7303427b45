"""What Kafka, PostgreSQL and Consul have in common: found again or started, ready when `start` returns, stopped."""

from __future__ import annotations

import os
import signal
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

from .child import Child, fingerprint
from .errors import PortTaken, ServerFailed
from .terminal import say
from .waiting import wait_until

HOST = "127.0.0.1"
LOG_LIMIT_BYTES = 8 * 1024 * 1024


def port_is_free(port: int) -> bool:
    """True when a server could listen on the port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


class Server(ABC):
    """One server on 127.0.0.1 whose files live in `folder`: `<name>/` its data, `log/<name>.log`, `run/<name>.pid`.

    Every method blocks and may be called from any thread, but not from two at once. Start and stop any number of times;
    the data stays.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[int] = signal.SIGTERM
    start_seconds: ClassVar[float] = 60.0

    def __init__(self, folder: Path, ports: Mapping[str, int]) -> None:
        self.folder = folder.resolve() / self.name
        self.log = folder.resolve() / "log" / f"{self.name}.log"
        self.ports = dict(ports)
        self._child = Child(folder.resolve() / "run" / f"{self.name}.pid", stop_signal=self.stop_signal)

    @abstractmethod
    def command(self) -> list[str]:
        """The command line; what it needs is fetched first, which may take long the first time and need a network."""

    @abstractmethod
    def prepare(self) -> None:
        """Lay the data folder out, if that has not been done; an interrupted try is done again from the start."""

    @abstractmethod
    def is_ready(self) -> bool:
        """True when it answers a request of its own protocol; takes 2 s at most."""

    def popen_options(self) -> dict[str, Any]:
        return {}

    def environ(self) -> dict[str, str]:
        """The environment of the process."""
        return dict(os.environ)

    @property
    def pid(self) -> int | None:
        return self._child.pid

    def alive(self) -> bool:
        """True when the process exists, also when it is paused or does not answer."""
        return self._child.alive()

    def start(self, stop: threading.Event | None = None) -> None:
        """Return when it is ready. What an earlier supervisor left is reused if it has the same command line and
        answers, replaced if not.

        Raises PortTaken, Stopped, and ServerFailed (with the end of the log) when it ends or is not ready in time.
        """
        argv = self.command()
        if self._reuse(argv):
            return
        for purpose, port in self.ports.items():
            if not port_is_free(port):
                raise PortTaken(port, self.name, purpose)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self._launch(argv)
        try:
            ready = (
                wait_until(lambda: not self.alive() or self.is_ready(), self.start_seconds, stop=stop) and self.alive()
            )
        except BaseException:
            self._child.stop()
            raise
        if not ready:
            self._fail()
        say(self.name, f"ready on {HOST}:{next(iter(self.ports.values()))} (pid {self.pid})")

    def stop(self) -> None:
        """End it in order, by force after 20 s. Returns when it and its children are gone."""
        self._child.stop()

    def kill(self) -> None:
        """SIGKILL it and its children: a crash. Returns when they are gone."""
        self._child.kill()

    def pause(self) -> None:
        """SIGSTOP it and its children: connections stay, nothing is answered."""
        self._child.pause()

    def resume(self) -> None:
        self._child.resume()

    def _reuse(self, argv: list[str]) -> bool:
        left = self._child.adopt()
        if left is None:
            return False
        if left.command == fingerprint(argv) and wait_until(self.is_ready, 5.0):
            say(self.name, f"still runs (pid {left.pid}), reused")
            return True
        say(self.name, f"still runs (pid {left.pid}) but not as it should: replaced")
        self._child.stop()
        return False

    def _launch(self, argv: list[str]) -> None:
        try:
            with self._open_log() as log:
                output = {"stdout": log, "stderr": log}
                self._child.start(argv, env=self.environ(), cwd=self.folder, **output, **self.popen_options())
        except OSError as error:
            raise ServerFailed(f"{self.name} cannot be run: {error}") from error

    def _open_log(self) -> IO[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        return self.log.open("ab")

    def _fail(self) -> None:
        state = f"is not ready after {self.start_seconds:.0f} s" if self.alive() else "ended while it started"
        self._child.stop()
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        raise ServerFailed(f"{self.name} {state}; its log is {self.log}, which ends with:\n{tail}")
