"""A batch is sorted: into what is stored, what is dead-lettered and what stays in Kafka (database-adapter §2, §6)."""

from collections.abc import Iterable
from typing import NamedTuple

from bridge_app.domain.database_adapter.letters import Failure, read_letter
from bridge_app.domain.database_adapter.records import Entry, read_event, read_untyped_event
from bridge_app.domain.database_adapter.subscription import Subscription
from bridge_app.domain.dead_letter_limit import DeadLetterLimit, MaxShare
from bridge_app.errors import PoisonRecord
from bridge_app.events.record import Record


class Reading(NamedTuple):
    """A record and what it was read as: its rows, or what is wrong with it."""

    record: Record
    found: Entry | PoisonRecord


class BadRecord(NamedTuple):
    """A record that goes to its `.dlq` topic."""

    record: Record
    failure: Failure


class Work(NamedTuple):
    """What becomes of records: `held` are neither stored nor dead-lettered, because their topic has stopped."""

    entries: list[Entry]
    bad: list[BadRecord]
    held: list[Record]


class Sorter:
    """Reads records and minds the limit of dead letters of each topic.

    `max_share` is that of `DeadLetterLimit`. `stopped` says of each topic over its limit what the last error was.
    """

    def __init__(self, subscription: Subscription, suffix: str, max_share: MaxShare) -> None:
        self.stopped: dict[str, str] = {}
        self._subscription = subscription
        self._suffix = suffix
        self._max_share = max_share
        self._limits: dict[str, DeadLetterLimit] = {}

    def read(self, record: Record) -> Reading:
        """Decode a record; may be called well before `sort`."""
        try:
            return Reading(record, self._entry(record))
        except PoisonRecord as error:
            return Reading(record, error)

    def sort(self, batch: Iterable[Reading], now_us: int) -> Work:
        """Sort a batch, none of a topic that had stopped before."""
        work = Work([], [], [])
        for record, found in batch:
            if record.topic in self.stopped:
                work.held.append(record)
            elif isinstance(found, PoisonRecord):
                self._set_aside(work, record, Failure(found, now_us), self._limit(record.topic).bad())
            else:
                work.entries.append(found)
                self._limit(record.topic).good()
        return work

    def judge(self, rejected: Iterable[tuple[Record, Failure]]) -> Work:
        """Sort records, in their order, that were read well but refused by Postgres.

        A dead letter that is refused is in neither list: it stays where it is, on its topic.
        """
        work = Work([], [], [])
        for record, failure in rejected:
            if self._subscription.is_dead_letters(record.topic):
                continue
            if record.topic in self.stopped:
                work.held.append(record)
            else:
                self._set_aside(work, record, failure, self._limit(record.topic).turned_bad())
        return work

    def resume(self, topic: str, free: int) -> None:
        """Let a topic be read again: its dead letters are counted anew, the first `free` of them are not judged."""
        self.stopped.pop(topic, None)
        self._limits[topic] = DeadLetterLimit(self._max_share, free=free)

    def _set_aside(self, work: Work, record: Record, failure: Failure, tripped: bool) -> None:
        if tripped:
            self.stopped[record.topic] = str(failure.error)
            work.held.append(record)
        else:
            work.bad.append(BadRecord(record, failure))

    def _entry(self, record: Record) -> Entry:
        if self._subscription.is_dead_letters(record.topic):
            return read_letter(record, self._suffix)
        if record.value is None and self._subscription.is_compacted(record.topic):
            return Entry(record)  # a tombstone leaves no rows
        if self._subscription.is_extra(record.topic):
            return read_untyped_event(record)
        return read_event(record)

    def _limit(self, topic: str) -> DeadLetterLimit:
        limit = self._limits.get(topic)
        if limit is None:
            limit = self._limits[topic] = DeadLetterLimit(self._max_share)
        return limit
