"""The consumer: it hands out whole batches, keeps the books, and gives partitions away in order.

On a rebalance, in this order: stop the flow; drop what is queued in lanes and streams; let the steps in progress
finish; commit; only then let Faust drop its own books. When partitions come back, nothing is delivered between the
assignment and the seek to the committed offsets.

Overridden because of how Faust's consumer behaves: `ack`, `getmany`, `on_partitions_revoked`, `on_partitions_assigned`,
`wait_empty`, `perform_seek`, and the book-keeping hooks `_filter_tps_with_pending_acks`, `_new_offset`,
`_should_commit`, `_commit`, `_add_gap`, `_wait_next_records`.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from bridge_app.errors import Fenced
from bridge_app.events.record import Record
from bridge_app.patience import leave, within
from bridge_app.runtime.batches import BatchMessage, new_batch
from bridge_app.runtime.books import Books
from bridge_app.runtime.losses import lost_before
from bridge_app.runtime.pacing import pace
from bridge_app.runtime.producer import BatchProducer

if TYPE_CHECKING:
    from bridge_app.runtime.app import BridgeApp

#: Records in one batch. Larger ones make fewer Faust events; smaller ones share the loop more fairly.
MAX_BATCH_RECORDS = 2000
#: How long the steps in progress may take when partitions are taken away, in seconds. Above it the worker stops: giving
#: a partition away with sends in flight would corrupt its changelog.
SETTLE_SECONDS = 10.0
COMMIT_SECONDS = 10.0
#: In a crash the consumer may have left the group already; nobody would answer, and the records come again anyway.
CRASH_COMMIT_SECONDS = 1.0
PARK_SECONDS = 5.0
#: The longest wait for records while a lane holds partitions back.
HELD_FETCH_SECONDS = 0.02
#: The member id of a client that the group has forgotten.
UNKNOWN_MEMBER = ""
#: How long the broker may hold an empty fetch. It answers one request of a connection at a time, and a hand-over asks
#: three more behind that fetch: with Faust's fixed 1.5 s this took 4.5 s (measured).
FETCH_WAIT_MS = 250
#: Records gather at the broker for so long between two fetches: at 100 hooks/s a tenth less CPU (measured).
GATHER_SECONDS = 0.01


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with a shorter wait for an empty fetch, a pause between two fetches, and a fence that
    hears of heartbeats.
    """

    async def on_start(self) -> None:
        await super().on_start()
        consumer = self._ensure_consumer()
        pace(consumer, GATHER_SECONDS, time.monotonic)
        coordinator = consumer._coordinator
        do_heartbeat = coordinator._do_heartbeat
        fence = cast("BridgeApp", self.app).fence

        async def heard() -> bool:
            asked_at = fence.now()
            confirmed: bool = await do_heartbeat()
            if confirmed:
                fence.confirm_membership(asked_at)
            elif coordinator.member_id == UNKNOWN_MEMBER:
                fence.expel()
            return confirmed

        coordinator._do_heartbeat = heard

    async def on_thread_stop(self) -> None:
        """Leave the group, within bounds: a broker that is away need not know."""
        await leave(self._consumer, super().on_thread_stop(), cast("BridgeApp", self.app).kafka_answers)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class BatchConsumer(driver.Consumer):
    """Faust's aiokafka consumer with batches as messages and `Books` instead of ack lists."""

    app: "BridgeApp"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.books = Books()
        self._parked = asyncio.Event()
        self._next: dict[TP, int] = {}

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- the books

    def ack(self, message: Any) -> bool:
        """Mark a delivered message as done; the commit takes the done prefix."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def acknowledge_before(self, message: BatchMessage, offset: int) -> None:
        """Mark as done what comes before an offset inside a message; the rest is not, and comes again.

        A message that several agents read stays as it is: the others have their own say, and all of it comes again.
        """
        if message.refcount == 1:
            self.books.part(message, offset)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter([tp for tp in self.books.committable() if topics is None or tp in topics or tp.topic in topics])

    def _new_offset(self, tp: TP) -> int | None:
        return self.books.committable().get(tp)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        return True  # Books offer only what is ahead of the confirmed offset; Faust's compares with a failed commit's.

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        committed = await super()._commit(offsets)
        if committed:
            self.books.confirm(offsets)
        return committed

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: compaction leaves gaps inside batches, and the books count no offsets."""

    # -- delivery

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:
        if not self.flow_active:
            self._parked.set()
            try:
                await self.wait(cast(Any, self.can_resume_flow))
            finally:
                self._parked.clear()
        stopped = self.app.guard.stopped
        active = {tp for tp in self._get_active_partitions() if tp.topic not in stopped}
        if not active:
            await self.sleep(0.05)
            return {}, active
        # What a lane releases meanwhile is fetched already, and does not end the wait for other partitions.
        wait = HELD_FETCH_SECONDS if self._buffered_partitions else timeout
        return await self._getmany(active_partitions=active, timeout=wait), active

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Yield batches of source topics and changelogs, single messages of other topics, round robin by partition."""
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if not fetched or self.should_stop or not self.flow_active:
            return  # whoever stopped the flow seeks before it goes on
        wanted = active | self._buffered_partitions
        known = {TP(tp.topic, tp.partition): records for tp, records in fetched.items() if tp in wanted}
        for tp, message in self._messages(known, generation):
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            read = self._read_offset[tp]
            if read is not None and message.offset < read:
                continue  # Faust would drop it without an ack: it must not enter the books
            if self.app.topics.acks_enabled_for(tp.topic):
                self.books.deliver(message)
            yield tp, message

    def _messages(self, fetched: Mapping[TP, list[Record]], generation: int) -> Iterator[tuple[TP, Any]]:
        queues: dict[TP, Iterator[Any]] = {}
        for tp, records in fetched.items():
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            if tp.topic in self.app.batch_topics:
                self._mind_gap(tp, records)
                chunks = [records[i : i + MAX_BATCH_RECORDS] for i in range(0, len(records), MAX_BATCH_RECORDS)]
                queues[tp] = iter([new_batch(tp, chunk, generation) for chunk in chunks])
            else:
                queues[tp] = iter([self._to_message(tp, record) for record in records])
        while queues:
            for tp in list(queues):
                message = next(queues[tp], None)
                if message is None:
                    del queues[tp]
                else:
                    yield tp, message

    def _mind_gap(self, tp: TP, records: list[Record]) -> None:
        wanted = self._next.get(tp)
        if wanted is None:
            return  # a changelog, or nothing was ever committed
        self._next[tp] = records[-1].offset + 1
        if records[0].offset > wanted:
            self.add_future(self._look_for_losses({tp: wanted}, {tp: records[0].offset}))

    async def _look_for_losses(self, wanted: Mapping[TP, int], found: Mapping[TP, int]) -> dict[TP, int]:
        """Report what is gone between what was to be read next and what was found; return where the logs start."""
        starts = {TP(tp.topic, tp.partition): at for tp, at in (await self.earliest_offsets(*wanted)).items()}
        for tp, log_start in starts.items():
            lost = lost_before(self.app.conf.id, tp, wanted[tp], found.get(tp, log_start), log_start)
            if lost is not None:
                self.app.report_lost(lost)
        return starts

    def _first_not_applied(self, tp: TP, committed: int) -> int:
        """Return the next offset whose record has not taken effect: tables may be ahead of what was committed."""
        agents = [agent for agent in self.app.step_agents if tp.topic in agent.topics]
        applied = [
            -1 if agent.table is None else agent.table.watermarks(tp.partition).get(tp.topic, -1) for agent in agents
        ]
        return max(committed, min(applied, default=-1) + 1)

    async def read_again(self, topic: str) -> None:
        """Read a topic that had stopped from its committed offsets on, for as long as this worker has its partitions.

        Nothing of it is fetched while this runs, so nothing can come between.
        """
        own = [tp for tp in self.assignment() if tp.topic == topic]
        self.books.forget_delivered(own)
        earliest = await self.earliest_offsets(*own) if own else {}
        for tp, offset in ((TP(tp.topic, tp.partition), offset) for tp, offset in earliest.items()):
            offset = max(offset, self.books.confirmed(tp) or 0)
            await self._seek(tp, offset)
            self._read_offset[tp] = self._next[tp] = offset
        self._buffered_partitions.difference_update(own)

    # -- rebalance

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish the steps in progress and commit them before the partitions are given away."""
        await self.wait_empty()
        await super().on_partitions_revoked(revoked)
        self.books.forget(revoked)
        self.books.forget_delivered()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note that this worker is a member: it has just joined, and its heartbeats begin after this."""
        self.app.fence.confirm_membership(self.app.fence.now())
        await super().on_partitions_assigned(assigned, generation_id)

    async def wait_empty(self) -> None:
        """Finish the steps in progress, leave what is queued, commit. Called at revocation and at shutdown.

        At shutdown a step that hangs does not keep the others from being committed; then it is waited for, until the
        time to stop is over.
        """
        self._halt()
        settled = await self._settle()
        self._unacked_messages.clear()
        limit = CRASH_COMMIT_SECONDS if self.app.crashed else COMMIT_SECONDS
        if not await within(self.commit(), limit, self._answers):
            self.log.warning("a commit timed out: what it covers is read again")
        if not settled and self.app.kafka_answers():
            self.log.error("a step hangs: the worker ends when its time to stop is over")
            settled = await within(self._settled(), math.inf, self._answers)
        if not settled:
            self.log.warning("steps that wait for Kafka are given up: what they read comes again")
            await asyncio.gather(*(lanes.give_up() for lanes in self.app.lanes))

    def _answers(self) -> bool:
        """Tell whether to wait for Kafka: only a worker that ends does not, when it is away."""
        return not self.app.stopping or self.app.kafka_answers()

    def _halt(self) -> None:
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        self._buffered_partitions.clear()
        for lanes in self.app.lanes:
            lanes.close()

    async def _settle(self) -> bool:
        """Wait, within bounds, for the steps in progress; return False when one goes on while the worker stops."""
        stopping = self.app.stopping
        grace = self.app.settings.shutdown_grace_seconds
        limit = min(SETTLE_SECONDS, grace / 3) if stopping else SETTLE_SECONDS
        if not await within(self._settled(), limit, self._answers):
            if stopping:
                return False
            await self.app.crash(Fenced(f"a step took longer than {SETTLE_SECONDS} s while partitions were taken away"))
        return True

    async def _settled(self) -> None:
        await asyncio.gather(*(lanes.settled() for lanes in self.app.lanes))

    async def park(self) -> None:
        """Stop delivery and wait until no fetch is in progress; queues and books are empty afterwards."""
        self._halt()
        if self.app._fetcher.started:
            try:
                await asyncio.wait_for(self._parked.wait(), PARK_SECONDS)
            except TimeoutError:
                self.log.warning("the fetcher did not park within %s s", PARK_SECONDS)
        self.app.flow_control.clear()
        await self._settle()
        self.books.forget_delivered()

    async def perform_seek(self) -> None:
        """Seek every partition to its committed offset, those without one to their earliest, and open the lanes."""
        await super().perform_seek()
        self.books.forget_delivered()
        changelogs = self.app.tables.changelog_topics
        fresh: list[TP] = []
        known: dict[TP, int] = {}
        for tp in self.assignment():
            committed = self._committed_offset[tp]
            if committed:
                self.books.confirm({tp: committed})
            if tp.topic not in changelogs:
                if committed:
                    known[tp] = committed
                else:
                    fresh.append(tp)
        self._next = {}
        if known:
            starts = await self._look_for_losses({tp: self._first_not_applied(tp, at) for tp, at in known.items()}, {})
            self._next = {tp: max(at, starts[tp]) for tp, at in known.items()}
        if fresh:
            for aiokafka_tp, offset in (await self.earliest_offsets(*fresh)).items():
                tp = TP(aiokafka_tp.topic, aiokafka_tp.partition)
                await self._seek(tp, offset)
                self._read_offset[tp] = None
                self._next[tp] = offset
        for lanes in self.app.lanes:
            lanes.open(self.app.consumer_generation_id)


class BatchTransport(driver.Transport):
    """Faust's aiokafka transport with our consumer and producer."""

    Consumer = BatchConsumer
    Producer = BatchProducer
