"""Rows once more from what Kafka still holds, while the adapter goes on with what comes in (database-adapter §7)."""

import asyncio
import re
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from bridge_app.clock import Clock
from bridge_app.domain.database_adapter.records import Entry
from bridge_app.domain.database_adapter.sorting import Reading
from bridge_app.domain.database_adapter.tally import Tally
from bridge_app.effects.batch_writer import BatchWriter
from bridge_app.effects.event_store import EventStore
from bridge_app.effects.postgres import Postgres
from bridge_app.errors import BridgeError, Conflict, FieldError, ServiceUnavailable, ValidationError
from bridge_app.events.record import Record
from bridge_app.kafka_clients import client_options
from bridge_app.settings import Settings

log = structlog.get_logger(__name__)

POLL_MS = 500
#: Polls in a row that find nothing, after which the broker is asked whether there is anything left to come.
MOST_EMPTY_POLLS = 6


class Order(NamedTuple):
    """What to rebuild: `topics` named with or without the deployment's prefix (none: all), from a time in ms (None: the
    earliest record), at most so many records a second (0: as fast as it goes).
    """

    topics: Sequence[str] = ()
    from_ms: int | None = None
    rate_per_second: float = 0.0


class _Span(NamedTuple):
    """What is read of a partition: from `start` to before `end`."""

    start: int
    end: int


class Rebuilder:
    """Runs one rebuild at a time, by a consumer without group and a connection of its own.

    It reads up to what the group had committed when it began, and writes like the adapter: what is there already stays.
    Records that cannot be stored were dead-lettered before, and are passed over.
    """

    def __init__(
        self,
        settings: Settings,
        postgres: Postgres,
        clock: Clock,
        *,
        pattern: str,
        read: Callable[[Record], Reading],
    ) -> None:
        self._settings = settings
        self._postgres = postgres
        self._clock = clock
        self._pattern = re.compile(pattern)
        self._read = read
        self._task: asyncio.Task[None] | None = None
        self._progress: dict[str, Any] | None = None

    def progress(self) -> dict[str, Any] | None:
        """Return the last rebuild: `rebuild_id`, records `done` of `total`, `status` and `error`; None before any."""
        return None if self._progress is None else dict(self._progress)

    async def begin(self, order: Order) -> str:
        """Begin in the background; return the id.

        Raises:
            Conflict: one is running.
            ValidationError: a topic that the adapter does not read.
            ServiceUnavailable: Kafka is away.
        """
        if self._task is not None and not self._task.done():
            raise Conflict("A rebuild is running on this worker", details=self.progress())
        self._task = asyncio.current_task()  # nobody else begins meanwhile
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            client_id=f"{self._settings.node_id}-rebuild",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            await consumer.start()
            spans = await self._spans(order, consumer)
        except BaseException as error:
            await consumer.stop()
            self._task = None
            if isinstance(error, KafkaError | OSError):
                raise ServiceUnavailable(f"Kafka is away: {error!r}") from error
            raise
        rebuild_id = str(uuid.uuid4())
        total = sum(span.end - span.start for span in spans.values())
        self._progress = {"rebuild_id": rebuild_id, "done": 0, "total": total, "status": "running", "error": None}
        self._task = asyncio.create_task(self._run(consumer, spans, order.rate_per_second))
        log.info("rebuild_began", rebuild_id=rebuild_id, records=total, partitions=len(spans))
        await asyncio.sleep(0)  # a task that is cancelled before its first step would not close the consumer
        return rebuild_id

    async def end(self) -> None:
        """Stop a running rebuild; what it has written stays."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _spans(self, order: Order, consumer: AIOKafkaConsumer) -> dict[TopicPartition, _Span]:
        admin = AIOKafkaAdminClient(**client_options(self._settings))
        try:
            await admin.start()
            known = sorted(name for name in await admin.list_topics() if self._pattern.match(name))
            committed = await admin.list_consumer_group_offsets(self._settings.adapter_group)
        finally:
            await admin.close()
        names = [name if name in known else self._settings.topic(name) for name in order.topics]
        unknown = [
            FieldError(f"$.topics[{index}]", "Expected a topic that the adapter reads")
            for index, name in enumerate(names)
            if name not in known
        ]
        if unknown:
            raise ValidationError(unknown, details={"known": known})
        wanted = set(names or known)
        ends = {part: meta.offset for part, meta in committed.items() if part.topic in wanted and meta.offset > 0}
        if not ends:
            return {}
        starts = await consumer.beginning_offsets(list(ends))
        if order.from_ms is not None:
            found = await consumer.offsets_for_times(dict.fromkeys(ends, order.from_ms))
            starts = {part: ends[part] if (at := found[part]) is None else at.offset for part in ends}
        return {part: _Span(starts[part], end) for part, end in ends.items() if starts[part] < end}

    async def _run(self, consumer: AIOKafkaConsumer, spans: dict[TopicPartition, _Span], rate: float) -> None:
        assert self._progress is not None
        store = EventStore(self._postgres)
        try:
            await self._write_all(consumer, spans, rate, store)
            self._progress["status"] = "completed"
        except asyncio.CancelledError:
            self._progress["status"] = "cancelled"
            raise
        except (KafkaError, OSError, BridgeError) as error:
            self._progress |= {"status": "failed", "error": str(error) or repr(error)}
        finally:
            store.close()
            await consumer.stop()
            log.info("rebuild_ended", **self._progress)

    async def _write_all(
        self, consumer: AIOKafkaConsumer, spans: dict[TopicPartition, _Span], rate: float, store: EventStore
    ) -> None:
        assert self._progress is not None
        writer = self._writer(store)
        consumer.assign(list(spans))
        for part, span in spans.items():
            consumer.seek(part, span.start)
        left, empty = dict(spans), 0
        while left:
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=self._settings.adapter_batch_size)
            records = [one for part, found in fetched.items() for one in found if one.offset < spans[part].end]
            began = self._clock.monotonic()
            await writer.write([found for _, found in map(self._read, records) if isinstance(found, Entry)])
            empty = 0 if fetched else empty + 1
            if empty >= MOST_EMPTY_POLLS:  # what compaction removed does not come
                await consumer.end_offsets(list(left))
                left.clear()
            for part in [part for part in left if part in fetched and fetched[part][-1].offset + 1 >= left[part].end]:
                consumer.pause(part)
                del left[part]
            self._progress["done"] += len(records)
            if rate and records:
                await asyncio.sleep(max(0.0, len(records) / rate - (self._clock.monotonic() - began)))
        self._progress["done"] = self._progress["total"]

    def _writer(self, store: EventStore) -> BatchWriter:
        return BatchWriter(
            store.store,
            partial(self._postgres.migrate, again=True),
            Tally(),
            self._clock,
            attempts=self._settings.kafka_max_retry_attempts,
            backoff_base=self._settings.kafka_retry_backoff_base,
        )
