"""Whether the outbox takes anything: its limits, the state of its disk, and who is told of it."""

from pathlib import Path
from typing import NamedTuple

import structlog

from bridge_app.clock import Clock
from bridge_app.domain.alarms import Alarm, AlarmSink
from bridge_app.effects.outbox.recovery import Loss
from bridge_app.effects.outbox.segment import Stored
from bridge_app.errors import ServiceUnavailable

log = structlog.get_logger(__name__)

#: So much disk is left to everybody else.
FREE_BYTES = 256 * 1024 * 1024
#: After an error of the disk, so long passes before another segment is tried; who was refused may come back then.
RETRY_SECONDS = 5


class Limits(NamedTuple):
    """What may wait."""

    events: int
    bytes: int


class Condition:
    """What the outbox knows of itself. Each trouble is told when it begins and when it ends."""

    def __init__(self, path: Path, limits: Limits, *, clock: Clock, alarms: AlarmSink) -> None:
        self._path = path
        self._limits = limits
        self._clock = clock
        self._alarms = alarms
        self._disk_error: str | None = None
        self._retry_at = 0.0
        self._is_disk_low = False

    def full_reason(self, events: int, size: int) -> str | None:
        """Return why nothing is taken any more when so many events and bytes wait, None when something is."""
        if events >= self._limits.events:
            return f"the outbox is full: {events} events wait for Kafka (OUTBOX_MAX_EVENTS)"
        if size >= self._limits.bytes:
            return f"the outbox is full: {size} bytes wait for Kafka (OUTBOX_MAX_BYTES)"
        if self._is_disk_low:
            return f"the outbox is full: less than {FREE_BYTES // 2**20} MiB are free on its disk"
        return None

    @property
    def unwritable_reason(self) -> str | None:
        """Why nothing can be written, None when it can."""
        return self._disk_error and f"the outbox cannot be written: {self._disk_error}"

    @property
    def may_retry(self) -> bool:
        """Whether another segment is to be tried after an error of the disk."""
        return self._disk_error is not None and self._clock.monotonic() >= self._retry_at

    def admit(self, events: int, size: int, *, is_extra: bool = False) -> None:
        """Let pass what makes the outbox hold so many events and bytes; the limits are not for what is extra.

        Raises:
            ServiceUnavailable: it is too much, or the disk failed just now.
        """
        if self._disk_error is not None and not self.may_retry:
            raise self.refusal()
        is_too_much = events > self._limits.events or size > self._limits.bytes or self._is_disk_low
        if is_too_much and not is_extra:
            reason = self.full_reason(events, size) or "the outbox is full"
            self._alarms.raise_(
                Alarm(
                    "outbox.full",
                    "outbox_full",
                    reason,
                    impact="Hooks and other requests that publish are refused with 503 until Kafka is back.",
                    actions=("Bring Kafka back; the outbox then empties by itself",),
                    context={"path": str(self._path)},
                )
            )
            raise ServiceUnavailable("Kafka is away and the outbox is full", retry_after=RETRY_SECONDS)

    def refusal(self) -> ServiceUnavailable:
        """Return what is told to those whose records could not be written."""
        return ServiceUnavailable("Kafka is away and the outbox cannot be written", retry_after=RETRY_SECONDS)

    def has_room(self, events: int, size: int) -> None:
        """Take note that so much waits; the trouble of being full may be over."""
        if self.full_reason(events, size) is None:
            self._alarms.clear("outbox.full")

    def disk_has(self, free_bytes: int) -> None:
        """Take note of what is free on the disk."""
        self._is_disk_low = free_bytes < FREE_BYTES

    def disk_failed(self, error: Exception) -> None:
        """Take note that records could not be written."""
        self._disk_error = str(error)
        self._retry_at = self._clock.monotonic() + RETRY_SECONDS
        self._alarms.raise_(
            Alarm(
                "outbox.unwritable",
                "outbox_unwritable",
                f"the outbox cannot be written: {error}",
                impact="While Kafka is away, hooks and other requests that publish are refused with 503.",
                actions=(f"See to the disk of {self._path}; the outbox tries it every {RETRY_SECONDS} s",),
                context={"path": str(self._path)},
            )
        )

    def disk_worked(self) -> None:
        """Take note that records were written, or can be."""
        if self._disk_error is not None:
            self._disk_error = None
            self._alarms.clear("outbox.unwritable")

    def lost(self, loss: Loss) -> None:
        """Tell that accepted records are lost: an operator may know what to do with the files."""
        files = [str(path) for path in loss.files]
        self._alarms.raise_(
            Alarm(
                f"outbox.corrupt.{'.'.join(path.name for path in loss.files) or 'missing'}",
                "outbox_corrupt",
                f"{loss.records} accepted events can be read no more from {self._path}; those around them are replayed",
                impact=f"{loss.records} events that were answered with success never reach Kafka.",
                actions=("Check the disk", "Look into the files that were kept for what can still be read"),
                context={"lost": loss.records, "files": files},
            )
        )

    def rejected(self, stored: Stored, reason: str, path: Path) -> None:
        """Tell that Kafka refuses an accepted record for good; of a topic's records only the first is told."""
        topic = stored.record.topic
        log.critical("outbox_record_rejected", topic=topic, file=str(path), reason=reason)
        self._alarms.raise_(
            Alarm(
                f"outbox.rejected.{topic}",
                "outbox_record_rejected",
                f"Kafka refuses an accepted event of {topic} for good: {reason}",
                impact="The event was answered with success and is not in Kafka; what came after it is.",
                actions=(f"See why, then produce what lies in {path.parent} by hand and delete it there",),
                context={"topic": topic, "file": str(path)},
            )
        )
