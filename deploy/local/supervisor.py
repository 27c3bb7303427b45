"""Runs a profile's stack, and the workers or a command on it, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from .bridge import banner, is_started, worker_command, worker_environ, worker_grace
from .child import Child, stop_recorded
from .environment import Profile, write_addresses
from .errors import PortTaken, Stopped, UsageError, WorkerRefused
from .lock import Lock
from .server import port_is_free
from .stack import Stack
from .terminal import say
from .toolchain import PROJECT
from .waiting import wait_until
from .worker import Worker

_KEPT = ("run", "log")
_READY_SECONDS = 120.0


class Supervisor:
    """Owns a profile while it runs. `run` and `execute` block until the end; one call per object, in the main thread.

    SIGINT, SIGTERM and SIGHUP end everything in order; a second one ends the supervisor at once and leaves the rest to
    its guard.
    """

    def __init__(self, profile: Profile, environ: Mapping[str, str], command: Sequence[str] | None = None) -> None:
        self._profile = profile
        self._environ = dict(environ)
        self._command = list(command or worker_command())
        self._stack: Stack | None = None
        self._end = threading.Event()
        self._signal: int | None = None
        self._refusal: WorkerRefused | None = None
        self._ready_file = profile.run_folder / "ready"

    def run(self, workers: int, *, wait_for_consul: bool = False) -> int:
        """Run the stack and so many workers until a signal. Returns 0, or the code with which a worker refused to run.

        Raises StackError.
        """
        if workers and shutil.which(self._command[0]) is None:
            raise UsageError(f"{self._command[0]} is missing: `make install` installs it")
        with self._running(wait_for_consul) as addresses:
            self._check_web_ports(workers)
            running = [self._worker(number, workers, addresses) for number in range(workers)]
            try:
                for worker in running:
                    worker.start()
                self._announce(workers, addresses)
                self._end.wait()
            finally:
                self._ready_file.unlink(missing_ok=True)
                stop_all(running)
        if self._refusal is not None:
            raise self._refusal
        return 0

    def execute(self, argv: Sequence[str], *, wait_for_consul: bool, wipe: bool) -> int:
        """Run the stack and one command on it, with the addresses in its environment; returns the command's exit code.

        The command shares the terminal: a Ctrl-C reaches it directly, a SIGTERM is passed on. `wipe` empties the
        profile first. Raises StackError.
        """
        with self._running(wait_for_consul, wipe=wipe) as addresses:
            child = Child(self._profile.run_folder / "command.pid")
            try:
                child.start(
                    argv, env={**self._environ, **addresses}, cwd=Path.cwd(), stdin=None, start_new_session=False
                )
                wait_until(lambda: not child.alive() or self._end.is_set(), float("inf"))
                if self._signal == signal.SIGINT:
                    wait_until(lambda: not child.alive(), float("inf"))
            except OSError as error:
                raise UsageError(f"{argv[0]} cannot be run: {error.strerror}") from error
            finally:
                child.stop()
        code = child.exit_code or 0
        return code if code >= 0 else 128 - code

    @contextmanager
    def _running(self, wait_for_consul: bool, wipe: bool = False) -> Iterator[dict[str, str]]:
        lock = Lock(self._profile)
        lock.acquire()
        self._ready_file.unlink(missing_ok=True)
        try:
            with self._signals():
                if wipe:
                    empty(self._profile)
                self._stack = Stack(self._profile, self._environ)
                try:
                    if self._end.is_set():
                        raise Stopped("stopped before the start")
                    self._stack.start()
                    if wait_for_consul:
                        self._stack.wait_for_consul()
                    addresses = self._stack.addresses()
                    write_addresses(self._profile.address_file, addresses)
                    yield addresses
                finally:
                    self._profile.address_file.unlink(missing_ok=True)
                    self._stack.stop()
        finally:
            lock.release()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def on_signal(number: int, _frame: FrameType | None) -> None:
            if self._end.is_set():
                os._exit(128 + number)
            say("stack", "stopping (once more to stop at once)")
            self._signal = number
            self._end.set()
            if self._stack is not None:
                self._stack.interrupt()

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _check_web_ports(self, workers: int) -> None:
        stop_recorded_workers(self._profile)
        for number in range(workers):
            port = self._profile.web_port(number)
            if not port_is_free(port):
                hint = self._profile.variable_of(port)
                raise UsageError(
                    f"{PortTaken(port, f'worker {number}', 'HTTP')}: free it, or set {hint} to another one"
                )

    def _worker(self, number: int, workers: int, addresses: Mapping[str, str]) -> Worker:
        name = f"worker-{number}"
        own = worker_environ(self._environ, self._profile, number, workers)
        return Worker(
            name,
            self._command,
            {**self._environ, **addresses, **own},
            cwd=PROJECT,
            pid_file=self._profile.run_folder / f"{name}.pid",
            refused=self._refused,
            grace=worker_grace(self._environ),
            prefixed=workers > 1,
        )

    def _refused(self, error: WorkerRefused) -> None:
        self._refusal = error
        self._end.set()

    def _announce(self, workers: int, addresses: Mapping[str, str]) -> None:
        """Say that everything is up, once the first worker has started."""
        if workers:
            port = self._profile.web_port(0)
            up = wait_until(lambda: self._end.is_set() or is_started(port), _READY_SECONDS, every=0.25)
            if self._end.is_set():
                return
            if not up:
                say("bridge", f"has not started after {_READY_SECONDS:.0f} s; its own output says why")
        for line in banner(addresses, workers, str(self._profile.address_file)):
            say("bridge" if workers else "stack", line)
        self._ready_file.write_text(f"{os.getpid()}\n")


def stop_all(workers: Sequence[Worker]) -> None:
    """Stop the workers at the same time, so that the graces do not add up."""
    threads = [threading.Thread(target=worker.stop, name=f"stop-{worker.name}") for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def stop_recorded_workers(profile: Profile) -> None:
    """End the workers that a crashed supervisor left, when its guard has not."""
    stop_recorded(profile.run_folder, "worker-*.pid")


def empty(profile: Profile) -> None:
    """Stop what still runs of the profile, and delete its data; the logs stay."""
    stop_recorded(profile.run_folder)
    for path in profile.folder.iterdir():
        if path.name not in _KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
