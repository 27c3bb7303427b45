"""The outbox as the event loop sees it: group commit, limits, and what waits.

All work on files is done by one thread of its own; the loop never waits for a disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import structlog

from bridge_app.clock import Clock
from bridge_app.effects.outbox.disk import Disk
from bridge_app.effects.outbox.folder import Folder
from bridge_app.effects.outbox.journal import SEGMENT_BYTES, Journal
from bridge_app.effects.outbox.recovery import Loss
from bridge_app.effects.outbox.segment import Stored
from bridge_app.errors import ServiceUnavailable, SettingsError
from bridge_app.events.envelope import Outgoing

log = structlog.get_logger(__name__)

#: How long a record waits at most for others that share its fsync, and how many are enough.
GATHER_SECONDS = 0.002
GATHER_RECORDS = 64
#: So much disk is left to everybody else.
FREE_BYTES = 256 * 1024 * 1024
#: After an error of the disk, so long passes before another segment is tried.
RETRY_SECONDS = 5

T = TypeVar("T")


class Limits(NamedTuple):
    """What may wait."""

    events: int
    bytes: int


class Report(Protocol):
    """Told what an operator must know (`error.service.critical`): what kind of trouble, in words, and its facts."""

    def __call__(self, error_type: str, message: str, context: dict[str, Any]) -> None: ...


class _Entry(NamedTuple):
    records: Sequence[Outgoing]
    durable: "asyncio.Future[None]"


class Outbox:
    """What was accepted and Kafka does not have yet. `open` before use, `close` afterwards.

    `append` takes records in the order of its calls, and a call as a whole or not at all.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits,
        *,
        clock: Clock,
        report: Report,
        disk: Disk | None = None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._path = path
        self._limits = limits
        self._clock = clock
        self._report = report
        self._journal = Journal(Folder(path, disk or Disk()), segment_bytes=segment_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._queue: list[_Entry] = []
        self._writing = 0
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._waiting = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._disk_error: str | None = None
        self._retry_at = 0.0
        self._is_disk_low = False
        self._was_full = False

    async def open(self) -> None:
        """Take over what is in the folder.

        Raises:
            SettingsError: the folder cannot be used.
        """
        try:
            loss = await self._in_thread(self._journal.open)
            await self.look_at_disk()
        except OSError as error:
            reason = error.strerror or error
            raise SettingsError(f"BRIDGE_DATA_DIR: the outbox in {self._path} cannot be used: {reason}") from error
        self._committer = asyncio.create_task(self._commit_forever())
        self._tell_loss(loss)
        if self._journal.pending:
            log.info("outbox_found", pending=self._journal.pending, bytes=self._journal.pending_bytes)
            self._waiting.set()

    async def close(self) -> None:
        """Make durable what is being written, and close the files. Nothing may be appended any more."""
        if self._committer is not None:
            while self._queue or self._writing:
                await asyncio.wait([entry.durable for entry in self._queue] or [asyncio.create_task(asyncio.sleep(0))])
            self._committer.cancel()
            await asyncio.gather(self._committer, return_exceptions=True)
        await self._in_thread(self._journal.close)
        self._thread.shutdown()

    # -- what waits

    @property
    def pending(self) -> int:
        """How many records wait, durably."""
        return self._journal.pending

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits and nothing is being written: what comes now overtakes nobody."""
        return not (self._journal.pending or self._writing)

    @property
    def full_reason(self) -> str | None:
        """Why nothing more is taken, None when something is."""
        if self._journal.pending >= self._limits.events:
            return f"the outbox is full: {self._journal.pending} events wait for Kafka (OUTBOX_MAX_EVENTS)"
        if self._journal.pending_bytes >= self._limits.bytes:
            return f"the outbox is full: {self._journal.pending_bytes} bytes wait for Kafka (OUTBOX_MAX_BYTES)"
        if self._is_disk_low:
            return f"the outbox is full: less than {FREE_BYTES // 2**20} MiB are free on its disk"
        return None

    @property
    def unwritable_reason(self) -> str | None:
        """Why nothing can be written, None when it can."""
        return self._disk_error and f"the outbox cannot be written: {self._disk_error}"

    async def until_waiting(self) -> None:
        """Return when a record waits."""
        await self._waiting.wait()

    # -- writing

    def append(self, records: Sequence[Outgoing]) -> "asyncio.Future[None]":
        """Put records behind all others. The future is done when they are durable, or fails with ServiceUnavailable.

        Raises:
            ServiceUnavailable: full, or not writable; nothing was taken.
        """
        self._admit(records)
        entry = _Entry(records, asyncio.get_running_loop().create_future())
        self._queue.append(entry)
        self._writing += len(records)
        self._arrived.set()
        if self._writing >= GATHER_RECORDS:
            self._enough.set()
        return entry.durable

    def _admit(self, records: Sequence[Outgoing]) -> None:
        if self._disk_error is not None and self._clock.monotonic() < self._retry_at:
            raise ServiceUnavailable("The outbox cannot be written", retry_after=RETRY_SECONDS)
        events = self._journal.pending + self._writing + len(records)
        queued = sum(len(record.value) for entry in self._queue for record in entry.records)
        size = self._journal.pending_bytes + queued + sum(len(record.value) for record in records)
        if events > self._limits.events or size > self._limits.bytes or self._is_disk_low:
            self._tell_full()
            raise ServiceUnavailable("Kafka is away and the outbox is full", retry_after=RETRY_SECONDS)

    async def _commit_forever(self) -> None:
        while True:
            await self._arrived.wait()
            if len(self._queue) < GATHER_RECORDS:
                try:
                    async with asyncio.timeout(GATHER_SECONDS):
                        await self._enough.wait()
                except TimeoutError:
                    pass
            group, self._queue = self._queue, []
            self._arrived.clear()
            self._enough.clear()
            await self._commit(group)

    async def _commit(self, group: list[_Entry]) -> None:
        """Make a group durable with one fsync, or refuse it as a whole."""
        records = [record for entry in group for record in entry.records]
        try:
            await self._in_thread(self._journal.append, records)
        except OSError as error:
            self._disk_failed(error)
        else:
            self._disk_worked()
            self._waiting.set()
        finally:
            self._writing -= len(records)
        for entry in group:
            if entry.durable.done():
                continue
            if self._disk_error is None:
                entry.durable.set_result(None)
            else:
                entry.durable.set_exception(
                    ServiceUnavailable("The outbox cannot be written", retry_after=RETRY_SECONDS)
                )

    async def look_at_disk(self) -> None:
        """Find out what is free, and after an error whether the disk works again.

        Raises:
            OSError: it does not even say what is free.
        """
        self._is_disk_low = await self._in_thread(self._journal.free_bytes) < FREE_BYTES
        if self._disk_error is not None and self._clock.monotonic() >= self._retry_at and not self._writing:
            try:
                await self._in_thread(self._journal.try_segment)
            except OSError as error:
                self._disk_failed(error)
            else:
                self._disk_worked()

    # -- reading

    async def read(self, limit: int) -> list[Stored]:
        """Return the first records that wait, at most `limit`; what is found damaged on the way is told.

        Raises:
            OSError: the files cannot be read.
        """
        window = await self._in_thread(self._journal.read, limit)
        self._tell_loss(window.loss)
        self._settle()
        return window.records

    async def advance(self, last: int) -> None:
        """Forget every record up to and with a sequence: Kafka has them.

        Raises:
            OSError: the position could not be made durable; nothing is forgotten.
        """
        await self._in_thread(self._journal.advance, last)
        self._settle()

    async def reject(self, stored: Stored, reason: str) -> None:
        """Set aside a record that Kafka refuses for good, and forget it.

        Raises:
            OSError: it could not be set aside; it still waits.
        """
        path = await self._in_thread(self._journal.reject, stored, reason)
        await self.advance(stored.sequence)
        topic = stored.record.topic
        self._report(
            "OUTBOX_RECORD_REJECTED",
            f"Kafka refuses an accepted event for good: {reason}; it is kept in {path}",
            {"topic": topic, "file": str(path), "sequence": stored.sequence},
        )

    # -- what is told

    def _settle(self) -> None:
        if not self._journal.pending:
            self._waiting.clear()
        if self._was_full and self.full_reason is None:
            self._was_full = False
            log.info("outbox_has_room_again", pending=self._journal.pending)

    def _tell_full(self) -> None:
        if not self._was_full:
            self._was_full = True
            self._report("OUTBOX_FULL", self.full_reason or "the outbox is full", {"pending": self._journal.pending})

    def _tell_loss(self, loss: Loss | None) -> None:
        if loss is not None:
            files = [str(path) for path in loss.files]
            message = f"{loss.records} accepted events are damaged on disk and lost; see {', '.join(files) or 'the log'}"
            self._report("OUTBOX_CORRUPT", message, {"lost": loss.records, "files": files})

    def _disk_failed(self, error: OSError) -> None:
        if self._disk_error is None:
            self._report("OUTBOX_UNWRITABLE", f"the outbox cannot be written: {error}", {"path": str(self._path)})
        self._disk_error = str(error)
        self._retry_at = self._clock.monotonic() + RETRY_SECONDS

    def _disk_worked(self) -> None:
        if self._disk_error is not None:
            self._disk_error = None
            log.info("outbox_writable_again")

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
