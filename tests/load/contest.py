"""Run a contestant in a process of its own, and read its report."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.load import workload
from tests.load.job import Job, Report

LONGEST_SECONDS = 60
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
    """Give a contestant a job, a fresh data folder and all the time it may need; return its report.

    Raises:
        ContestFailed: it ended without one, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        state, result, log = folder / "state", folder / "report.json", folder / "log"
        state.mkdir()
        job = Job(
            servers=servers,
            topic=topic,
            partitions=workload.PARTITIONS,
            events=events,
            app_id=app_id,
            data_dir=str(state),
            result=str(result),
            tuned=contestant.tuned,
            recover=recover,
        )
        with log.open("wb") as output:
            process = subprocess.Popen(
                contestant.command, env={**environ, **job.as_environ()}, stdout=output, stderr=output
            )
            try:
                process.wait(LONGEST_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if not result.exists():
            raise ContestFailed(f"{contestant.name} gave no report:\n{log.read_text(errors='replace')[-4000:]}")
        return msgspec.json.decode(result.read_bytes(), type=Report)
