"""The outbox as the event loop sees it: group commit, limits, and what waits.

All work on files is done by one thread of its own; the loop never waits for a disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar, TypeVarTuple

import structlog

from bridge_app.clock import Clock
from bridge_app.domain.alarms import AlarmSink
from bridge_app.effects.outbox.condition import Condition, Limits
from bridge_app.effects.outbox.disk import Disk
from bridge_app.effects.outbox.folder import Folder
from bridge_app.effects.outbox.journal import SEGMENT_BYTES, Journal, Window
from bridge_app.effects.outbox.segment import Stored
from bridge_app.errors import SettingsError
from bridge_app.events.envelope import Outgoing

log = structlog.get_logger(__name__)

#: How long a record waits at most for others that share its fsync, and how many are enough.
GATHER_SECONDS = 0.001
GATHER_RECORDS = 64

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Entry(NamedTuple):
    """What one call appends: as a whole or not at all."""

    records: Sequence[Outgoing]
    size: int
    durable: "asyncio.Future[None]"
    is_extra: bool


class Outbox:
    """What was accepted and Kafka does not have yet. `open` before use, `close` afterwards.

    Records have the order in which `append` was called. `read`, `advance` and `reject` are for one caller at a time,
    which may run in another event loop than that of `open`; everything else may not.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits,
        *,
        clock: Clock,
        alarms: AlarmSink,
        disk: Disk | None = None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._path = path
        self._condition = Condition(path, limits, clock=clock, alarms=alarms)
        self._journal = Journal(Folder(path, disk or Disk()), segment_bytes=segment_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._queue: list[_Entry] = []
        self._writing = 0
        self._writing_bytes = 0
        self._extra = 0
        self._extra_bytes = 0
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._waiting = asyncio.Event()
        self._is_closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._committer: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take over what is in the folder; what is found lost there is told.

        Raises:
            SettingsError: the folder cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        try:
            loss = await self._in_thread(self._journal.open)
            await self.look_at_disk()
        except OSError as error:
            reason = error.strerror or error
            raise SettingsError(f"BRIDGE_DATA_DIR: the outbox in {self._path} cannot be used: {reason}") from error
        if loss is not None:
            self._condition.lost(loss)
        if self._journal.pending:
            log.info("outbox_found", pending=self._journal.pending, bytes=self._journal.pending_bytes)
            self._waiting.set()
        self._committer = asyncio.create_task(self._commit_forever())

    async def close(self) -> None:
        """Make durable what was appended, and close the files."""
        self._is_closing = True
        self._arrived.set()
        self._enough.set()
        if self._committer is not None:
            await self._committer
        await self._in_thread(self._journal.close)
        self._thread.shutdown()

    # -- what waits

    @property
    def pending(self) -> int:
        """How many records wait, durably."""
        return self._journal.pending

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits and nothing is being written: what is sent now overtakes nothing."""
        return not (self._writing or self._journal.pending)

    @property
    def full_reason(self) -> str | None:
        """Why nothing is taken any more, None when something is."""
        return self._condition.full_reason(*self._counted)

    @property
    def _counted(self) -> tuple[int, int]:
        """How many records and bytes wait, or are being written, that count."""
        events = self._journal.pending + self._writing - self._extra
        return events, self._journal.pending_bytes + self._writing_bytes - self._extra_bytes

    @property
    def unwritable_reason(self) -> str | None:
        """Why nothing can be written, None when it can."""
        return self._condition.unwritable_reason

    async def until_waiting(self) -> None:
        """Return when a record waits."""
        await self._waiting.wait()

    # -- writing

    def append(self, records: Sequence[Outgoing], *, is_extra: bool = False) -> "asyncio.Future[None]":
        """Put records behind all others. The future is done when they are durable, or fails with ServiceUnavailable.

        Extra records, the few in which the worker itself says what is wrong, are taken beyond the limits.

        Raises:
            ServiceUnavailable: full, or not writable; nothing was taken.
        """
        size = sum(len(record.value) for record in records)
        events, waiting = self._counted
        self._condition.admit(events + len(records), waiting + size, is_extra=is_extra)
        if is_extra:
            self._extra += len(records)
            self._extra_bytes += size
        entry = _Entry(records, size, asyncio.get_running_loop().create_future(), is_extra)
        self._queue.append(entry)
        self._writing += len(records)
        self._writing_bytes += size
        self._arrived.set()
        if self._writing >= GATHER_RECORDS:
            self._enough.set()
        return entry.durable

    async def _commit_forever(self) -> None:
        while True:
            await self._arrived.wait()
            try:
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._enough.wait()
            except TimeoutError:
                pass
            group, self._queue = self._queue, []
            self._arrived.clear()
            self._enough.clear()
            if group:
                await self._commit(group)
            if self._is_closing and not self._queue:
                return

    async def _commit(self, group: Sequence[_Entry]) -> None:
        """Make a group durable with one fsync, or refuse it as a whole."""
        failed = False
        try:
            await self._in_thread(self._journal.append, [record for entry in group for record in entry.records])
        except Exception as error:  # whatever it was: nothing of the group was accepted, and nobody may wait for ever
            log.error("outbox_write_failed", error=repr(error))
            self._condition.disk_failed(error)
            failed = True
        else:
            self._condition.disk_worked()
            self._waiting.set()
        self._writing -= sum(len(entry.records) for entry in group)
        self._writing_bytes -= sum(entry.size for entry in group)
        if failed:
            extra = [entry for entry in group if entry.is_extra]
            self._extra -= sum(len(entry.records) for entry in extra)
            self._extra_bytes -= sum(entry.size for entry in extra)
        for entry in group:
            if entry.durable.done():  # who waited for it was cancelled
                continue
            if failed:
                entry.durable.set_exception(self._condition.refusal())
            else:
                entry.durable.set_result(None)

    async def look_at_disk(self) -> None:
        """Find out what is free, and after an error whether the disk works again.

        Raises:
            OSError: it does not even say what is free.
        """
        self._condition.disk_has(await self._in_thread(self._journal.free_bytes))
        self._condition.has_room(*self._counted)
        if self._condition.may_retry and not self._writing:
            try:
                await self._in_thread(self._journal.try_segment)
            except OSError as error:
                self._condition.disk_failed(error)
            else:
                self._condition.disk_worked()

    # -- reading

    async def read(self, limit: int) -> list[Stored]:
        """Return the first records that wait, at most `limit`; what is found damaged on the way is told.

        Raises:
            OSError: the files cannot be read.
        """
        return self._seen(await self._in_thread(self._journal.read, limit))

    async def advance(self, last: int, limit: int) -> list[Stored]:
        """Forget every record up to and with a sequence: Kafka has them. Return the next ones, as `read` does.

        Raises:
            OSError: the position could not be made durable and nothing is forgotten, or the files cannot be read.
        """
        return self._seen(await self._in_thread(self._advance_and_read, last, limit))

    def _advance_and_read(self, last: int, limit: int) -> Window:
        self._journal.advance(last)
        return self._journal.read(limit)

    async def reject(self, stored: Stored, reason: str) -> None:
        """Set aside the first record, which Kafka refuses for good, and forget it.

        Raises:
            OSError: it could not be set aside; it still waits.
        """
        path = await self._in_thread(self._journal.reject, stored, reason)
        await self._in_thread(self._journal.advance, stored.sequence)
        self._soon(self._condition.rejected, stored, reason, path)
        self._soon(self._settle)

    def _seen(self, window: Window) -> list[Stored]:
        if window.loss is not None:
            self._soon(self._condition.lost, window.loss)
        self._soon(self._settle)
        return window.records

    def _soon(self, function: Callable[[*Ts], None], *arguments: *Ts) -> None:
        """Call a function in the loop of the outbox: whoever reads may have another."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function, *arguments)

    def _settle(self) -> None:
        if not self._journal.pending:
            self._waiting.clear()
            if not self._writing:
                self._extra = self._extra_bytes = 0
        self._condition.has_room(*self._counted)

    async def _in_thread(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
