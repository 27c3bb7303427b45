"""Alarms on their way to `system.errors`: in order, none lost while Kafka is away."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from mode import Service

from bridge_app import topics
from bridge_app.backoff import CONNECT, Backoff
from bridge_app.clock import Clock
from bridge_app.domain.alarms import Alarm, AlarmBook
from bridge_app.errors import RequestError
from bridge_app.events.envelope import Event, Identity
from bridge_app.runtime.alarms import Alarm as Report

log = structlog.get_logger(__name__)

#: How many events may wait; alarms change rarely, and a worker that gets here has told what matters many times.
MOST_WAITING = 1000
#: How long the last events may take when the worker stops, beyond the time that Kafka has to acknowledge one: then it
#: is put into the outbox, which takes a moment as well.
STOP_SECONDS = 3.0
STOP_RETRY_SECONDS = 0.2
#: What of a report's context makes it another alarm.
PLACE = ("agent", "group", "table", "topic", "partition", "first")

Publish = Callable[[Sequence[tuple[str, Event]]], Awaitable[Any]]


class Alarms(Service):
    """Tells of alarms (`AlarmSink`): at once in the log, and as events through `publish`, tried until accepted.

    What cannot be published when the worker stops, in `stop_seconds`, is in the log only.
    """

    def __init__(
        self, publish: Publish, identity: Identity, clock: Clock, *, stop_seconds: float = STOP_SECONDS, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._publish = publish
        self._stop_seconds = stop_seconds
        self._clock = clock
        self._book = AlarmBook(identity)
        self._waiting: deque[Event] = deque(maxlen=MOST_WAITING)
        self._some = asyncio.Event()
        self._none = asyncio.Event()

    @property
    def active(self) -> Mapping[str, str]:
        """The message of every alarm that is raised, by name."""
        return self._book.active

    def raise_(self, alarm: Alarm) -> None:
        """Say that something is wrong, once until it is cleared; see `AlarmSink`."""
        event = self._book.raise_(alarm, self._clock.now_us())
        if event is not None:
            log.critical("alarm_raised", alarm=alarm.name, error_type=alarm.error_type, error=alarm.message)
            self._tell(event)

    def clear(self, name: str) -> None:
        """Say that it is over."""
        event = self._book.clear(name, self._clock.now_us())
        if event is not None:
            log.warning("alarm_cleared", alarm=name)
            self._tell(event)

    async def report(self, report: Report) -> None:
        """Raise what the runtime reports, and wait until it is published with all that was told before it.

        Several reports of one kind about one place are one alarm.
        """
        place = [str(report.context[name]) for name in PLACE if name in report.context]
        name = ".".join([report.error_type.lower(), *place])
        self.raise_(Alarm(name, report.error_type, report.message, context=report.context))
        while self._waiting:
            await self._none.wait()

    def _tell(self, event: Event) -> None:
        self._waiting.append(event)
        self._none.clear()
        self._some.set()

    async def on_stop(self) -> None:
        """Publish what waits: after a crash nobody else does any more."""
        try:
            async with asyncio.timeout(self._stop_seconds):
                while self._waiting:
                    if not await self._publish_first():
                        await asyncio.sleep(STOP_RETRY_SECONDS)
        except TimeoutError:
            log.warning("alarms_not_published", count=len(self._waiting))

    @Service.task
    async def _deliver(self) -> None:
        backoff = Backoff(*CONNECT)
        while not self.should_stop:
            await self.wait(self._some.wait())
            if self.should_stop:
                return
            if await self._publish_first():
                backoff.reset()
            else:
                await self.sleep(backoff.next())

    async def _publish_first(self) -> bool:
        """Publish the first event that waits; return whether it is done with."""
        if not self._waiting:
            self._some.clear()
            return True
        event = self._waiting[0]
        try:
            await self._publish([(topics.SYSTEM_ERRORS.name, event)])
        except RequestError as error:
            if error.retryable:
                return False
            log.error("alarm_refused", event_id=event.event_id, error=str(error))
        if self._waiting and self._waiting[0] is event:
            self._waiting.popleft()
        if not self._waiting:
            self._none.set()
        return True
