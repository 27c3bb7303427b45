"""Records for the adapter: an aiokafka consumer that never waits for the database.

The next batch is fetched while one is written. Offsets are committed by hand only, so what was not committed is
delivered again: after a crash, after a rebalance, after a restart of the consumer.
"""

import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.types import TP
from mode import Service

from bridge_app.backoff import CONNECT, Backoff
from bridge_app.domain.database_adapter.sorting import Reading
from bridge_app.effects.intake import Intake
from bridge_app.events.record import Record
from bridge_app.kafka_clients import client_options, started
from bridge_app.patience import leave
from bridge_app.runtime.losses import Lost, lost_before
from bridge_app.runtime.pacing import pace
from bridge_app.runtime.slices import Slices
from bridge_app.settings import Settings

log = structlog.get_logger(__name__)

MIB = 1024 * 1024
BATCH_BYTES = 8 * MIB
#: How long a batch may hold up the reading before the partitions are paused. Pausing throws fetched data away, so it
#: is for outages, not for the ordinary ups and downs.
PATIENCE_SECONDS = 5.0
POLL_MS = 500
#: Records gather at the broker for the linger, between two fetches; what one brought is read within this time.
GATHER_SECONDS = 0.002
#: Records read without a break for others: about a slice.
CHUNK = 50
#: A topic that is created later is found within twice this time.
METADATA_MS = 4000
SESSION_MS = 15_000
REBALANCE_MS = 30_000
#: A member learns of a rebalance by its heartbeat.
HEARTBEAT_MS = 1_000
#: How long a hand-over may be held up by asking what was committed.
ASK_MS = 5_000


class RecordSource(Service, ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Hands out batches of the topics whose names match `pattern`, as a dynamic member of a consumer group.

    `read` is called for each record as it is fetched. `finish` is awaited before partitions are given away: it must
    end what is being written, in bounded time. It may still commit. `lost` is called with what the topics dropped
    before it was read, `assigned` whenever partitions have come. Records are read in turn with the other users of
    `slices`. The group is left in a moment when Kafka, as `answers` says, is away.
    """

    def __init__(
        self,
        settings: Settings,
        pattern: str,
        *,
        read: Callable[[Record], Reading],
        finish: Callable[[], Awaitable[None]],
        lost: Callable[[Lost], None],
        assigned: Callable[[], None] = lambda: None,
        slices: Slices | None = None,
        answers: Callable[[], bool] = lambda: True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._pattern = re.compile(pattern)
        self._read_record = read
        self._finish = finish
        self._lost = lost
        self._on_assigned = assigned
        self._slices = slices or Slices()
        self._answers = answers
        self._next: dict[TP, int] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._stopped_topics: set[str] = set()
        self._intake = Intake(
            batch_records=settings.adapter_batch_size,
            batch_bytes=BATCH_BYTES,
            linger_seconds=GATHER_SECONDS,
        )
        self.has_assignment = False
        self.is_paused = False

    @property
    def fetched(self) -> int:
        """How many records wait to be taken."""
        return len(self._intake)

    async def batch(self) -> list[Reading]:
        """Return the next batch, in offset order per partition; the earlier one must be done with."""
        return await self._intake.batch()

    async def commit(self, next_offsets: Mapping[tuple[str, int], int]) -> None:
        """Commit the next offset of each partition.

        A commit that fails is logged and left: the records come again, and storing them again changes nothing.
        """
        if self._consumer is None or not next_offsets:
            return
        try:
            await self._consumer.commit(
                {TopicPartition(topic, partition): offset for (topic, partition), offset in next_offsets.items()}
            )
        except KafkaError as error:
            log.warning("adapter_commit_failed", error=repr(error))

    def stop_topic(self, topic: str) -> None:
        """Read a topic no further, until it is read again or the worker restarts."""
        self._stopped_topics.add(topic)
        self._pause_stopped()

    async def read_again(self, topics: Collection[str]) -> None:
        """Read topics from what the group has committed of them, stopped or not; no batch may be in hand meanwhile.

        Raises:
            KafkaError: no broker says what was committed; nothing has changed.
        """
        consumer = self._consumer
        if consumer is None:
            self._stopped_topics.difference_update(topics)
            return
        before = set(self._stopped_topics)
        self._stopped_topics.update(topics)
        self._pause_stopped()
        mine = [part for part in consumer.assignment() if part.topic in topics]
        try:
            starts = await consumer.beginning_offsets(mine) if mine else {}
            starts |= await self._committed(mine) if mine else {}
            before.difference_update(topics)
            self._rewind(consumer, topics, starts)
        finally:
            self._stopped_topics = before
            if not self.is_paused:
                consumer.resume(*(part for part in consumer.assignment() if part.topic not in before))

    def _rewind(
        self, consumer: AIOKafkaConsumer, topics: Collection[str], starts: Mapping[TopicPartition, int]
    ) -> None:
        """Go back to where reading starts; a partition that was given away meanwhile is its new owner's affair."""
        self._intake.drop_topics(topics)
        for part, offset in starts.items():
            if part in consumer.assignment():
                self._next.pop(TP(*part), None)
                consumer.seek(part, offset)

    def partition_counts(self) -> dict[str, int]:
        """Return how many partitions of each topic this worker has, of stopped topics too."""
        parts = () if self._consumer is None or not self.has_assignment else self._consumer.assignment()
        return dict(Counter(part.topic for part in parts))

    def assigned(self) -> list[TP]:
        """Return the partitions that this worker has, but for those of stopped topics."""
        if self._consumer is None or not self.has_assignment:
            return []
        return [TP(*tp) for tp in self._consumer.assignment() if tp.topic not in self._stopped_topics]

    def partitions_of(self, topic: str) -> int:
        """Return how many partitions a consumed topic has."""
        found = self._consumer.partitions_for_topic(topic) if self._consumer else None
        return len(found or ()) or self._settings.kafka_topic_partitions

    async def on_stop(self) -> None:
        await self._leave()

    async def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        self.has_assignment = False
        self._intake.drop()
        if consumer is not None:
            await leave(consumer, consumer.stop(), self._answers)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by aiokafka, which returns no records until the new assignment is there."""
        self.has_assignment = False
        self._intake.drop()
        await self._finish()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by aiokafka, with none of the partitions paused and nothing read of them yet."""
        await self._look_for_losses(list(assigned))
        self.has_assignment = True
        self.is_paused = False
        self._on_assigned()
        self._pause_stopped()

    @Service.task
    async def _run(self) -> None:
        backoff = Backoff(*CONNECT)
        while not self.should_stop:
            try:
                self._consumer = await self._join()
                backoff.reset()
                await self._read(self._consumer)
            except ConsumerStoppedError:
                return
            except (KafkaError, OSError) as error:
                log.warning("adapter_consumer_failed", error=repr(error))
                await self._finish()
                await self._leave()
            await self.sleep(backoff.next())

    async def _join(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            client_id=f"{self._settings.node_id}-adapter",
            group_id=self._settings.adapter_group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            metadata_max_age_ms=METADATA_MS,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_MS,
        )
        await started(consumer)
        pace(consumer, self._settings.adapter_linger_ms / 1000, time.monotonic)
        consumer.subscribe(pattern=self._pattern, listener=self)
        return consumer

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while not self.should_stop:
            room = self._room()
            if room:
                self._resume(consumer)
            elif not self.is_paused:
                if not await self._intake.taken(PATIENCE_SECONDS):
                    self.is_paused = True
                    consumer.pause(*consumer.assignment())
                continue
            # Polled while paused as well: a member that polls no more is expelled from the group.
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=min(room, CHUNK) or 1)
            # No await up to here: these records belong to the assignment of this moment.
            for tp, records in fetched.items():
                self._mind_gap(consumer, TP(*tp), records)
                self._intake.add(map(self._read_record, records))
            await self._slices.turn()  # getmany does not yield while there is something to be had

    async def _look_for_losses(self, assigned: list[TopicPartition]) -> None:
        """Report what the topics have dropped between what was committed and their start."""
        self._next = {}
        consumer = self._consumer
        if consumer is None or not assigned:
            return
        consumer.pause(*assigned)  # what is read, and perhaps committed, meanwhile would not be seen as lost
        try:
            committed = await self._committed(assigned)
            starts = await consumer.beginning_offsets(assigned)
        except (KafkaError, OSError) as error:
            log.warning("adapter_losses_unknown", error=repr(error))
            return
        finally:
            consumer.resume(*(consumer.assignment() & set(assigned)))
        for tp in assigned:
            wanted = committed.get(tp, starts[tp])
            self._report(TP(*tp), wanted, starts[tp], starts[tp])
            self._next[TP(*tp)] = max(wanted, starts[tp])

    async def _committed(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Ask for all partitions at once, which the consumer cannot."""
        admin = AIOKafkaAdminClient(**client_options(self._settings), request_timeout_ms=ASK_MS)
        try:
            await admin.start()
            found = await admin.list_consumer_group_offsets(self._settings.adapter_group, partitions=partitions)
        finally:
            await admin.close()
        return {tp: known.offset for tp, known in found.items() if known.offset >= 0}

    def _mind_gap(self, consumer: AIOKafkaConsumer, tp: TP, records: list[Record]) -> None:
        wanted = self._next.get(tp)
        self._next[tp] = records[-1].offset + 1
        if wanted is not None and records[0].offset > wanted:
            self.add_future(self._look_into_gap(consumer, tp, wanted, records[0].offset))

    async def _look_into_gap(self, consumer: AIOKafkaConsumer, tp: TP, wanted: int, found: int) -> None:
        try:
            starts = await consumer.beginning_offsets([TopicPartition(*tp)])
        except (KafkaError, OSError) as error:
            log.warning("adapter_losses_unknown", error=repr(error))
            return
        self._report(tp, wanted, found, starts[TopicPartition(*tp)])

    def _report(self, tp: TP, wanted: int, found: int, log_start: int) -> None:
        lost = lost_before(self._settings.adapter_group, tp, wanted, found, log_start)
        if lost is not None:
            self._lost(lost)

    def _room(self) -> int:
        if self._intake.size_bytes >= 2 * BATCH_BYTES:
            return 0
        return max(0, self._settings.adapter_fetch_ahead - len(self._intake))

    def _resume(self, consumer: AIOKafkaConsumer) -> None:
        if self.is_paused:
            self.is_paused = False
            consumer.resume(*(part for part in consumer.assignment() if part.topic not in self._stopped_topics))

    def _pause_stopped(self) -> None:
        if self._consumer is not None:
            self._consumer.pause(*(part for part in self._consumer.assignment() if part.topic in self._stopped_topics))
