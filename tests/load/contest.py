"""Run a contestant in a process of its own, and read its report."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.load import workload
from tests.load.job import Job, Report

#: Many times what the slowest needs on an idle machine.
LONGEST_SECONDS = 180
LOG = "log"
RESULT = "report.json"
FAUST = (sys.executable, "-m", "faust", "--loop", "uvloop", "-A")
WORKER = ("worker", "--without-web", "-l", "info")


class Contestant(NamedTuple):
    """A way to do the work. A `slow` one gets fewer events, to end in time. `changelog` returns the name of its
    changelog for an app id and a topic, `events_of` reads a value in it.
    """

    name: str
    command: tuple[str, ...]
    slow: bool = False
    tuned: bool = False
    changelog: Callable[[str, str], str] | None = None
    events_of: Callable[[bytes], int] = lambda value: workload.decode_total(value).events


class ContestFailed(Exception):
    """A contestant gave no report; the message holds the end of its log."""


def events_of_row(value: bytes) -> int:
    """Return the events in a row of a state table: version, watermarks, state."""
    _version, _watermarks, state = msgspec.msgpack.decode(value, type=tuple[int, dict[str, int], workload.Total | None])
    return 0 if state is None else state.events


def faust_changelog(app_id: str, _topic: str) -> str:
    return f"{app_id}-totals-changelog"


BRIDGE = Contestant(
    "bridge", (*FAUST, "tests.load.bridge_step", *WORKER), changelog=faust_changelog, events_of=events_of_row
)
STOCK = Contestant("stock Faust", (*FAUST, "tests.load.stock_faust", *WORKER), slow=True, changelog=faust_changelog)
TUNED = STOCK._replace(name="stock Faust, tuned", tuned=True)
QUIX = Contestant(
    "Quix Streams",
    (sys.executable, "-m", "tests.load.quix"),
    changelog=lambda app_id, topic: f"changelog__{app_id}--{topic}--default",
)
PLAIN = Contestant("plain aiokafka, no state", (sys.executable, "-m", "tests.load.plain_aiokafka"))
CONTESTANTS = (BRIDGE, STOCK, TUNED, QUIX, PLAIN)


class Running:
    """A contestant at work, with a data folder of its own."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._name = name
        self._process = process
        self._folder = folder

    def wait(self, seconds: float) -> None:
        """Return when it has ended, or after so many seconds."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def check(self) -> None:
        """Raise ContestFailed when it has ended."""
        if self._process.poll() is not None:
            raise self._failed("ended too early")

    def report(self) -> Report:
        """Return what it measured. Raises ContestFailed when there is nothing."""
        result = self._folder / RESULT
        if not result.exists():
            raise self._failed("gave no report")
        return msgspec.json.decode(result.read_bytes(), type=Report)

    def _failed(self, how: str) -> ContestFailed:
        log = (self._folder / LOG).read_text(errors="replace")
        return ContestFailed(f"{self._name} {how}:\n{log[-4000:]}")


@contextmanager
def started(contestant: Contestant, job: Job, environ: Mapping[str, str] = os.environ) -> Iterator[Running]:
    """Give a contestant a job and a fresh data folder. It is killed at the end, unless it has ended."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (folder / "state").mkdir()
        job = msgspec.structs.replace(job, data_dir=str(folder / "state"), result=str(folder / RESULT))
        with (folder / LOG).open("wb") as output:
            process = subprocess.Popen(
                contestant.command, env={**environ, **job.as_environ()}, stdout=output, stderr=output
            )
        try:
            yield Running(contestant.name, process, folder)
        finally:
            process.kill()
            process.wait()


def run(
    contestant: Contestant,
    *,
    servers: str,
    topic: str,
    events: int,
    app_id: str,
    recover: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Report:
    """Give a contestant a job and all the time it may need; return its report.

    Raises:
        ContestFailed: it ended without one, or took too long.
    """
    job = Job(
        servers=servers,
        topic=topic,
        partitions=workload.PARTITIONS,
        events=events,
        app_id=app_id,
        tuned=contestant.tuned,
        recover=recover,
    )
    with started(contestant, job, environ) as running:
        running.wait(LONGEST_SECONDS)
        return running.report()
