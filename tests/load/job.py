"""What a contestant is told, and the stopwatch with which it reports."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

VARIABLE = "BENCH_JOB"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one contestant: handle `events` events of `topic`, or recover a table when `recover` is set.

    `app_id` names the consumer group and the changelog, `data_dir` the state; `tuned` asks for the best public settings
    instead of the defaults. The report goes to the file `result`.
    """

    servers: str
    topic: str
    partitions: int
    events: int
    app_id: str
    data_dir: str = ""
    result: str = ""
    tuned: bool = False
    recover: bool = False

    @classmethod
    def from_environ(cls) -> "Job":
        return msgspec.json.decode(os.environ[VARIABLE], type=cls)

    def as_environ(self) -> dict[str, str]:
        return {VARIABLE: msgspec.json.encode(self).decode()}


class Report(msgspec.Struct, frozen=True):
    """How long a job took: seconds on the clock, seconds of CPU in all threads of the process. `keys` is how many were
    in the table that was recovered.
    """

    seconds: float
    cpu_seconds: float
    keys: int = 0


class Stopwatch:
    """Starts with the first event, or when told to; `finish` reports and ends the process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._started = 0.0
        self._cpu_started = 0.0
        self.handled = 0

    def start(self) -> None:
        self._started = time.perf_counter()
        self._cpu_started = time.process_time()

    def count(self) -> bool:
        """Count an event; say whether it is the last one."""
        if not self.handled:
            self.start()
        self.handled += 1
        return self.handled == self._job.events

    def finish(self, table: Iterable[object] = ()) -> None:
        """Stop, write the report and end the process at once: an orderly stop takes seconds and proves nothing here.

        The keys of `table` are counted when the watch has stopped.
        """
        seconds, cpu_seconds = time.perf_counter() - self._started, time.process_time() - self._cpu_started
        report = Report(seconds, cpu_seconds, keys=sum(1 for _key in table))
        Path(self._job.result).write_bytes(msgspec.json.encode(report))
        os._exit(0)
