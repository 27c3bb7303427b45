"""The database adapter: every event of every public topic becomes rows in Postgres, each once."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP
from mode import Service
from mode.types import ServiceT

from bridge_app.clock import Clock
from bridge_app.domain.alarms import Alarm, AlarmSink, NoAlarms
from bridge_app.domain.configuration.live import LiveSettings
from bridge_app.domain.database_adapter.fold import Rows
from bridge_app.domain.database_adapter.letters import Failure, dead_letter
from bridge_app.domain.database_adapter.offsets import committable
from bridge_app.domain.database_adapter.pace import Pace
from bridge_app.domain.database_adapter.rows import EVENT_LOGS
from bridge_app.domain.database_adapter.sorting import BadRecord, Reading, Sorter
from bridge_app.domain.database_adapter.subscription import Subscription
from bridge_app.domain.database_adapter.tally import Status
from bridge_app.domain.lag import Lag
from bridge_app.effects.adapter_meter import AGENT, MeteredTally
from bridge_app.effects.batch_writer import BatchWriter, Rejected
from bridge_app.effects.dead_letter_sender import DeadLetterSender
from bridge_app.effects.event_store import EventStore
from bridge_app.effects.postgres import Postgres
from bridge_app.effects.query_meter import measured_query
from bridge_app.effects.rebuild import Order, Rebuilder
from bridge_app.effects.record_source import RecordSource
from bridge_app.errors import Conflict, MigrationError, PoisonRecord, ServiceUnavailable
from bridge_app.events.envelope import Identity
from bridge_app.events.record import Record
from bridge_app.metrics import Metrics
from bridge_app.patience import within
from bridge_app.runtime.losses import Lost
from bridge_app.runtime.slices import Slices
from bridge_app.settings import Settings

log = structlog.get_logger(__name__)

FINISH_SECONDS = 10.0
#: How long a request to go on waits for the batch in hand.
RESUME_SECONDS = 5.0


def _tell_of_loss(lost: Lost) -> None:
    log.critical("records_lost", **lost._asdict(), records=lost.records)


class DatabaseAdapter(Service):
    """Writes one batch at a time, while the next is fetched and decoded:

    1. Set aside what is no event or holds a value that Postgres does not take.
    2. Fold: the first record per event id, the highest revision per pattern.
    3. One transaction for the rows of all tables; refused rows are found by bisection and set aside.
    4. Send what was set aside to the `.dlq` topics and wait for the acknowledgements.
    5. Commit to the group, up to the first record that is neither stored nor dead-lettered.

    A crash between two steps repeats the batch, and every step may be repeated: the effect is the same. A topic with
    too many dead letters is read no further, the others go on. When partitions are given away or the worker stops, the
    batch being written is finished within 10 s, or left to whoever gets the partitions.
    """

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        postgres: Postgres,
        clock: Clock,
        *,
        metrics: Metrics | None = None,
        alarms: AlarmSink | None = None,
        slices: Slices | None = None,
        live: LiveSettings | None = None,
        answers: Callable[[], bool] = lambda: True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._identity = identity
        self._postgres = postgres
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._alarms = alarms or NoAlarms()
        self._tally = MeteredTally(self._metrics, clock.now_us)
        #: Called with what topics dropped before it was read.
        self.lost: Callable[[Lost], None] = _tell_of_loss
        self._schema_error: MigrationError | None = None
        self._writing: asyncio.Task[None] | None = None
        self._in_hand: list[Reading] = []
        #: Held by whoever handles a batch, or changes what is read.
        self._turn = asyncio.Lock()
        self._going = asyncio.Event()
        self._going.set()
        self._pace = Pace(clock.monotonic())
        subscription = Subscription(settings.topic, settings.kafka_dlq_suffix, settings.adapter_extra_topics)
        self._takes_extra = subscription.takes_extra
        live = live or LiveSettings(settings)
        self._answers = answers
        self._sorter = Sorter(subscription, settings.kafka_dlq_suffix, live.max_share)
        self._source = RecordSource(
            settings,
            subscription.pattern,
            read=self._sorter.read,
            finish=self._finish,
            assigned=self._assigned,
            lost=self._records_lost,
            slices=slices,
            answers=answers,
            beacon=self.beacon,
        )
        self._sender = DeadLetterSender(settings, self._source.partitions_of, self._tally.retried)
        self._store = EventStore(postgres)
        self._writer = BatchWriter(
            self._timed_store,
            partial(postgres.migrate, again=True),
            self._tally,
            clock,
            attempts=settings.kafka_max_retry_attempts,
            backoff_base=settings.kafka_retry_backoff_base,
        )
        self._rebuilder = Rebuilder(settings, postgres, clock, pattern=subscription.pattern, read=self._sorter.read)
        self._metrics.adapter_waiting.set_function(lambda: self.status is Status.WAITING)

    @property
    def status(self) -> Status:
        """What the adapter as a whole is doing; single topics may have stopped nevertheless."""
        if self._schema_error is not None:
            return Status.STOPPED
        if self._writer.is_waiting or not self._postgres.ready.is_set():
            return Status.WAITING
        return Status.RUNNING if self._source.has_assignment else Status.RECOVERING

    @property
    def waits_for(self) -> str | None:
        """Why it waits for Postgres, in its words; None when it does not."""
        return self._writer.waits_for

    def problems(self) -> list[str]:
        """Return one line for each reason why an operator is needed; empty when none is."""
        topics = [f"database_adapter stopped topic {topic}: {why}" for topic, why in self._sorter.stopped.items()]
        return self.halted() or topics

    def halted(self) -> list[str]:
        """Return why the adapter as a whole has stopped, in one line; empty when it has not."""
        return [] if self._schema_error is None else [f"database_adapter stopped: {self._schema_error}"]

    def _assigned(self) -> None:
        """Count a rebalance, and create what dead-letter topics are missing: the catalogue's are there already.

        A `.dlq` topic that comes with its first letter would be found up to 8 s later.
        """
        self._metrics.rebalances.inc()
        self.add_future(self._sender.prepare(filter(self._takes_extra, self._source.partition_counts())))

    def _records_lost(self, lost: Lost) -> None:
        self.lost(lost)

    def moving(self) -> list[TP]:
        """Return the partitions that this worker's adapter should be working on: none while it waits or has stopped."""
        return self._source.assigned() if self.status is Status.RUNNING else []

    def snapshot(self) -> dict[str, Any]:
        """Return status, stopped topics (name → why) and counters (database-adapter §8)."""
        return {"status": self.status, "stopped_topics": dict(self._sorter.stopped), **self._tally.snapshot()}

    def report(self, lags: Mapping[str, Lag]) -> dict[str, Any]:
        """Return what operators see (database-adapter §8); `lags` are those of the adapter's group by topic."""
        now, status, stopped = self._clock.monotonic(), self.status, self._sorter.stopped
        topics = [
            {
                "topic": topic,
                "partitions": count,
                "lag_records": lags[topic].records if topic in lags else None,
                "lag_seconds": round(lags[topic].seconds, 3) if topic in lags else None,
                "status": Status.STOPPED if topic in stopped else status,
                "last_error": stopped.get(topic),
            }
            for topic, count in sorted({**dict.fromkeys(stopped, 0), **self._source.partition_counts()}.items())
        ]
        return {
            "status": status,
            "topics": topics,
            **self._tally.snapshot(),
            "performance": self._pace.performance()._asdict(),
            "events_per_second": self._pace.events_per_second(now),
            "database_version": self._postgres.version,
            "pool": self._postgres.pool(),
            "rebuild": self._rebuilder.progress(),
            "uptime_seconds": self._pace.uptime_seconds(now),
        }

    async def resume(self, topic: str | None = None, *, free: int = 0) -> None:
        """Go on with a stopped topic, or with all of them and with the adapter as a whole.

        Reading starts where it was committed. Of each topic the first `free` dead letters are not judged.

        Raises:
            Conflict: nothing of the kind has stopped.
            ServiceUnavailable: the batch in hand does not end, or Kafka does not answer; nothing has changed.
        """
        try:
            async with asyncio.timeout(RESUME_SECONDS), self._turn:
                halted = topic is None and self._schema_error is not None
                topics = [one for one in self._sorter.stopped if topic in (None, one)]
                if not topics and not halted:
                    raise Conflict(f"{AGENT} is running" if topic is None else f"{AGENT} has not stopped {topic}")
                again = [*topics, *self._source.partition_counts()] if halted else topics
                self._in_hand[:] = [reading for reading in self._in_hand if reading.record.topic not in again]
                await self._source.read_again(again)
                self._go_on(topics, free)
        except (TimeoutError, KafkaError) as error:
            raise ServiceUnavailable(f"{AGENT} cannot go on now: {str(error) or 'a batch is being written'}") from error

    def _go_on(self, topics: Iterable[str], free: int) -> None:
        for topic in topics:
            self._sorter.resume(topic, free)
            self._metrics.adapter_topic_stopped.labels(topic.removeprefix(self._settings.kafka_topic_prefix)).set(0)
            self._alarms.clear(f"topic_stopped.{AGENT}.{topic}")
            log.info("adapter_topic_resumed", topic=topic)
        if self._schema_error is not None:
            self._schema_error = None
            self._alarms.clear(f"agent_stopped.{AGENT}")
            log.info("adapter_resumed")
        self._going.set()

    async def rebuild(self, order: Order) -> str:
        """Begin to write again what the topics still hold, beside what comes in; return the id of the rebuild.

        Raises:
            Conflict: one runs on this worker already.
            ValidationError: a topic that the adapter does not read.
        """
        return await self._rebuilder.begin(order)

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        return [self._source]

    async def on_stop(self) -> None:
        await self._rebuilder.end()
        await self._finish()
        await self._source.stop()
        await self._sender.close()
        self._store.close()

    @Service.task
    async def _write_batches(self) -> None:
        await self.wait(self._postgres.ready.wait())
        while not self.should_stop:
            await self.wait(self._going.wait())
            if self.should_stop:
                return
            self._in_hand = await self._source.batch()
            async with self._turn:
                self._writing = asyncio.create_task(self._handle(self._in_hand))
                await asyncio.wait({self._writing})
            if not self._writing.cancelled():
                self._writing.result()

    async def _handle(self, fetched: Sequence[Reading]) -> None:
        started = self._clock.monotonic()
        batch = [reading for reading in fetched if reading.record.topic not in self._sorter.stopped]
        work = self._sorter.sort(batch, self._clock.now_us())
        try:
            rejected = await self._writer.write(work.entries)
        except MigrationError as error:
            self._schema_error = error
            self._going.clear()
            log.critical("adapter_stopped", error=str(error))
            self._alarms.raise_(
                Alarm(
                    f"agent_stopped.{AGENT}",
                    "AGENT_STOPPED",
                    f"{AGENT} stopped: {error}",
                    impact="Nothing is stored; all records wait in Kafka.",
                    context={"agent": AGENT},
                )
            )
            return
        judged = self._sorter.judge(self._failures(rejected))
        await self._send([*work.bad, *judged.bad])
        done = [reading.record for reading in batch]
        await self._source.commit(committable(done, [*work.held, *judged.held]))
        self._stop_topics(work.held + judged.held)
        self._tally.batch_done(len(batch), self._clock.monotonic() - started)

    def _failures(self, rejected: Iterable[Rejected]) -> Iterator[tuple[Record, Failure]]:
        for entry, failure, tries in rejected:
            position = {"topic": entry.record.topic, "partition": entry.record.partition, "offset": entry.record.offset}
            log.warning("adapter_record_rejected", error=str(failure), **position)
            error = PoisonRecord("ROW_REJECTED", failure.message, failure.context)
            yield entry.record, Failure(error, self._clock.now_us(), tries)

    async def _send(self, bad: Sequence[BadRecord]) -> None:
        suffix = self._settings.kafka_dlq_suffix
        await self._sender.send([dead_letter(record, failure, self._identity, suffix) for record, failure in bad])
        for _record, failure in bad:
            self._tally.dead_lettered(failure.error.error_type)

    def _stop_topics(self, held: Iterable[Record]) -> None:
        for topic in {record.topic for record in held}:
            self._source.stop_topic(topic)
            why = self._sorter.stopped[topic]
            log.critical("adapter_topic_stopped", topic=topic, error=why)
            name = topic.removeprefix(self._settings.kafka_topic_prefix)
            self._metrics.adapter_topic_stopped.labels(name).set(1)
            self._alarms.raise_(
                Alarm(
                    f"topic_stopped.{AGENT}.{topic}",
                    "TOPIC_STOPPED",
                    f"{AGENT} stopped topic {topic}: {why}",
                    context={"agent": AGENT, "topic": topic},
                )
            )

    async def _timed_store(self, rows: Rows) -> dict[str, int]:
        started = self._clock.monotonic()
        with measured_query(self._metrics, "adapter_write", self._clock.monotonic):
            inserted = await self._store.store(rows)
        now = self._clock.monotonic()
        self._pace.took(now - started)
        self._pace.stored(now, inserted.get(EVENT_LOGS.name, 0))
        return inserted

    def _may_commit(self) -> bool:
        """Tell whether to wait for a batch: if the worker stops without Kafka it comes again, even when stored."""
        return not self.should_stop or self._answers()

    async def _finish(self) -> None:
        writing = self._writing
        if writing is None or writing.done():
            self._in_hand.clear()
            return
        if not self._writer.is_waiting:
            await within(asyncio.wait({writing}), FINISH_SECONDS, self._may_commit)
        if not writing.done():
            log.info("adapter_batch_abandoned")
            writing.cancel()
            await asyncio.wait({writing})
