"""Publish the events of web views: return when Kafka or the outbox has them, or refuse (conventions §10).

Events are handed over one publication at a time, through a gate. As soon as one is not acknowledged in time, everything
that is in the air goes to the outbox, in the order in which it came, the producer is abandoned with what it still
holds, and what comes now queues up behind. So per key nothing overtakes, whoever timed out first.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import structlog
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from mode import Service

from bridge_app.clock import Clock
from bridge_app.domain.breaker import BreakerState, CircuitBreaker, Permit
from bridge_app.effects.flight import REFUSED, TOO_LARGE, Flight
from bridge_app.effects.missing_topics import MissingTopics
from bridge_app.effects.outbox.outbox import Outbox
from bridge_app.effects.outbox.replay import WINDOW, Replayer
from bridge_app.effects.producer_link import MAX_REQUEST_BYTES, ProducerLink
from bridge_app.effects.window_sender import WindowSender
from bridge_app.errors import (
    CircuitOpenError,
    InternalError,
    PayloadTooLarge,
    RequestError,
    ServiceUnavailable,
    SettingsError,
    StartError,
)
from bridge_app.events.envelope import Event, Outgoing, encode
from bridge_app.metrics import Metrics
from bridge_app.settings import Settings
from bridge_app.side_loop import SideLoop

log = structlog.get_logger(__name__)

RECONNECT_SECONDS = 0.25
#: How long the replay waits when it may not send, and when it failed.
REFUSED_SECONDS = 0.05
#: So many windows are replayed under one permit of the breaker; one by one while it is half-open.
WINDOWS = 10
#: How long new events wait for what may be the last window, so that they can go to Kafka behind it. Otherwise a worker
#: that is never idle would add to the outbox while each window is under way, and never get back to Kafka.
HOLD_SECONDS = 0.5
#: More than most partitions get of a window: it takes one request then. Far less than a broker's default limit.
WINDOW_BATCH_BYTES = 256 * 1024
FAILED_SECONDS = 0.25


class Publisher(Service):
    """Publishes through Kafka while it answers, through the outbox while it does not. Per key events keep their order.

    It connects in the background and again after every outage, and then replays the outbox. `breaker` guards both;
    whoever probes tells it. `halt` ends the process when the outbox cannot be opened. `restore_topics` creates what is
    missing of the catalogue; it is called in another event loop.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        breaker: CircuitBreaker,
        outbox: Outbox,
        clock: Clock,
        halt: Callable[[StartError], None],
        restore_topics: Callable[[], Awaitable[object]],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._metrics = metrics
        self._breaker = breaker
        self._outbox = outbox
        self._clock = clock
        self._halt = halt
        self._link = ProducerLink(settings)
        self._side = SideLoop("outbox-replay")
        self._sender = WindowSender(
            ProducerLink(settings, max_batch_bytes=WINDOW_BATCH_BYTES), MissingTopics(restore_topics, clock)
        )
        self._replayer = Replayer(
            outbox,
            self._sender.send,
            rate=settings.outbox_replay_rate,
            clock=clock,
            replayed=self._count_replayed,
        )
        self._gate = asyncio.Lock()
        self._last_window: asyncio.Future[None] | None = None
        self._flights: dict[Flight, None] = {}
        self._published = cache(metrics.published.labels)
        self._publish_duration = cache(metrics.publish_duration.labels)
        self._unanswered = 0
        self._acknowledged = 0
        self._background: list[asyncio.Future[None]] = []
        metrics.outbox_pending.set_function(lambda: outbox.pending)

    async def publish(self, events: Sequence[tuple[str, Event]], *, is_extra: bool = False) -> bool:
        """Publish events, each to a topic of the catalogue. `is_extra`: the limits of the outbox are not for them.

        Returns:
            True when Kafka has acknowledged all of them. False when what it has not acknowledged is fsynced in the
            outbox; such an event may be in Kafka as well, and comes there again under the same id.

        Raises:
            ServiceUnavailable: Kafka did not acknowledge in time, and the outbox is full or cannot be written. An
                event may still reach Kafka.
            PayloadTooLarge: the broker refuses the size of a record, which is published nowhere.
            InternalError: the broker refuses this client, or a record for another reason.
        """
        if not events:
            return True
        records = [encode(self._settings.topic(topic), event) for topic, event in events]
        if any(len(record.value) > MAX_REQUEST_BYTES // 2 for record in records):
            raise PayloadTooLarge("The event is larger than Kafka takes")
        started = self._clock.monotonic()
        is_published = await self._publish(records, is_extra=is_extra)
        for topic, number in Counter(topic for topic, _ in events).items() if is_published else ():
            self._published(topic).inc(number)
            self._publish_duration(topic).observe(self._clock.monotonic() - started)
        return is_published

    async def probe(self) -> None:
        """Return when a broker answered with its metadata.

        A connection on which a probe fails, or two in a row are cut, is given up, unless publications wait for it:
        those find out by themselves.

        Raises:
            ConnectionError: none did.
        """
        self._unanswered += 1
        try:
            await self._link.probe()
        except ConnectionError:
            self._give_up_idle()
            raise
        except asyncio.CancelledError:
            if self._unanswered > 1:
                self._give_up_idle()
            raise
        self._unanswered = 0

    def _give_up_idle(self) -> None:
        if not self._flights:
            self._link.abandon()
            self._side.call_soon(self._sender.interrupt)

    async def probe_outbox(self) -> None:
        """Return when the outbox takes records.

        Raises:
            ServiceUnavailable: it is full or cannot be written.
            OSError: its disk cannot be asked.
        """
        await self._outbox.look_at_disk()
        reason = self._outbox.full_reason or self._outbox.unwritable_reason
        if reason is not None:
            raise ServiceUnavailable(reason)

    async def on_start(self) -> None:
        try:
            await self._outbox.open()
        except SettingsError as error:
            self._halt(error)
        self._side.start()
        self._background = [self.add_future(self._keep_connected()), self.add_future(self._keep_replaying())]

    async def on_stop(self) -> None:
        # They sleep by asyncio: a sleep of `mode` that meets the stop swallows the cancellation.
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._side.run(self._sender.stop())
        await self._side.stop()
        await self._link.stop()
        await self._outbox.close()

    # -- one publication

    async def _publish(self, records: Sequence[Outgoing], *, is_extra: bool) -> bool:
        permit = self._permit()
        if permit is None and await self._last_window_is_over():
            permit = self._permit()
        if permit is None:
            self._divert()
            await self._outbox.append(records, is_extra=is_extra)
            return False
        try:
            async with asyncio.timeout(self._settings.kafka_timeout_seconds) as limit:
                flight = Flight(records, limit)
                self._flights[flight] = None
                await self._fly(flight)
        except TimeoutError:
            pass  # its own time is up, or another's was and it was diverted
        except BaseException:
            self._flights.pop(flight, None)
            raise
        return await self._land(flight, permit)

    async def _last_window_is_over(self) -> bool:
        """Wait for what may be the last window, if it is under way, in bounded time; return whether it has ended."""
        window = self._last_window
        if window is None:
            return False
        await asyncio.wait({window}, timeout=HOLD_SECONDS)
        return window.done()

    def _permit(self) -> Permit | None:
        """Return the right to send now; None when events have to queue up behind others, or Kafka is away.

        While half-open, the breaker is tried by the replay alone: those let through and those that were refused, and
        wait in the outbox, would overtake each other.
        """
        if not self._outbox.is_empty or self._breaker.snapshot().state is not BreakerState.CLOSED:
            return None
        return self._breaker.acquire()

    async def _fly(self, flight: Flight) -> None:
        """Hand the records over, in turn, and wait for every acknowledgement."""
        async with self._gate:
            await flight.hand_over(self._link.send)
        await flight.landed()

    async def _land(self, flight: Flight, permit: Permit) -> bool:
        """Settle a publication; return whether Kafka has all of it. Raises as `publish`."""
        failures = [error for error in flight.outcomes() if error is not None]
        if not failures:
            self._flights.pop(flight, None)
            permit.success()
            return True
        for record in flight.records:
            self._metrics.publish_errors.labels(record.topic.removeprefix(self._settings.kafka_topic_prefix)).inc()
        refusal = next((error for error in failures if isinstance(error, REFUSED)), None)
        if flight in self._flights:
            log.warning("publication_failed", error=repr(failures[0]), in_flight=len(self._flights))
            self._divert()
            if refusal is None:
                permit.failure(failures[0])
        if refusal is not None:
            permit.success()
        permit.ignore()
        if flight.buffered is not None:
            await flight.buffered
        if refusal is not None:
            raise _translated(refusal)
        return False

    def _divert(self) -> None:
        """Put everything in the air into the outbox, in the order in which it came.

        The producer is abandoned with it: it must not send what is missing behind the back of the replay, and numbers
        its batches, so that one which is missing keeps all others of its partition out.
        """
        flights, self._flights = self._flights, {}
        if not flights:
            return
        self._link.abandon()
        for flight in flights:
            missing = flight.missing()
            if missing:
                flight.buffered = self._append(missing)
                flight.interrupt()

    def _append(self, records: Sequence[Outgoing]) -> "asyncio.Future[None]":
        try:
            return self._outbox.append(records)
        except ServiceUnavailable as error:
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(error)
            return refused

    # -- in the background

    async def _keep_connected(self) -> None:
        while True:
            await self._link.until_abandoned()
            is_told = False
            while not self._link.is_connected:
                try:
                    await self._side.run(self._sender.connect())  # first: the replay begins when a probe succeeds
                    await self._link.connect()
                except ConnectionError as error:
                    if not is_told:
                        log.warning("publisher_waiting_for_kafka", error=repr(error))
                    is_told = True
                    await asyncio.sleep(RECONNECT_SECONDS)
            log.info("publisher_connected")

    async def _keep_replaying(self) -> None:
        """Replay in another loop: in this one every window would wait for many turns of agents that are busy with what
        the windows before it brought.
        """
        while True:
            await self._outbox.until_waiting()
            await self._link.until_connected()
            try:
                permit = self._breaker.acquire()
            except CircuitOpenError:
                await asyncio.sleep(REFUSED_SECONDS)
                continue
            self._acknowledged = 0
            try:
                await self._replay()
            except (TimeoutError, KafkaError, OSError) as error:
                log.warning("outbox_replay_failed", error=repr(error), pending=self._outbox.pending)
                if _is_kafkas(error):
                    permit.failure(error)
                permit.ignore()
                await asyncio.sleep(FAILED_SECONDS)
            else:
                permit.success()
                self._credit(self._acknowledged - 1)

    def _count_replayed(self, count: int) -> None:
        self._metrics.outbox_replayed.inc(count)
        self._acknowledged += count

    def _credit(self, successes: int) -> None:
        """Let a breaker that is half-open know of further acknowledged records: each is a success."""
        for _ in range(successes):
            if self._breaker.snapshot().state is not BreakerState.HALF_OPEN:
                return
            with suppress(CircuitOpenError):
                self._breaker.acquire().success()

    async def _replay(self) -> None:
        """Replay some windows; new events wait for what may be the last one."""
        is_closed = self._breaker.snapshot().state is BreakerState.CLOSED
        is_last = is_closed and self._outbox.pending <= WINDOW and not self._settings.outbox_replay_rate
        last_window = self._last_window = asyncio.get_running_loop().create_future() if is_last else None
        try:
            await self._side.run(self._replayer.run(WINDOWS if is_closed and not is_last else 1))
        finally:
            if last_window is not None:
                last_window.set_result(None)
            self._last_window = None


def _is_kafkas(error: Exception) -> bool:
    """Tell whether an error says that Kafka is away: a disk that fails does not, nor a topic that is yet to be made."""
    if isinstance(error, UnknownTopicOrPartitionError):
        return False
    return isinstance(error, TimeoutError | KafkaError | ConnectionError)


def _translated(refusal: Exception) -> RequestError:
    """Return the error of ours for what the broker will never take."""
    if isinstance(refusal, TOO_LARGE):
        return PayloadTooLarge("The event is larger than Kafka takes")
    log.error("publication_refused", error=repr(refusal))
    return InternalError("Kafka refuses the event or the bridge's credentials")
