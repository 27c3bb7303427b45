"""Events that nobody waits for on their way to Kafka: in order, none lost while Kafka is away."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from mode import Service

from bridge_app.backoff import CONNECT, Backoff
from bridge_app.errors import RequestError
from bridge_app.events.envelope import Event

log = structlog.get_logger(__name__)

#: How many events may wait; they are rare, and a worker that gets here has told what matters many times.
MOST_WAITING = 1000
#: How long the last events may take when the worker stops, beyond the time that Kafka has to acknowledge one: then it
#: is put into the outbox, which takes a moment as well.
STOP_SECONDS = 3.0
STOP_RETRY_SECONDS = 0.2

Publish = Callable[[Sequence[tuple[str, Event]]], Awaitable[Any]]


class Teller(Service):
    """Publishes events through `publish`, each tried until it is accepted or refused for good.

    What cannot be published when the worker stops, in `stop_seconds`, is lost.
    """

    def __init__(self, publish: Publish, *, stop_seconds: float = STOP_SECONDS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._publish = publish
        self._stop_seconds = stop_seconds
        self._waiting: deque[tuple[str, Event]] = deque(maxlen=MOST_WAITING)
        self._some = asyncio.Event()
        self._none = asyncio.Event()

    def tell(self, topic: str, event: Event) -> None:
        """Publish an event of a catalogue topic, behind those that wait; returns at once."""
        self._waiting.append((topic, event))
        self._none.clear()
        self._some.set()

    async def until_told(self) -> None:
        """Return when no event waits."""
        while self._waiting:
            await self._none.wait()

    async def on_stop(self) -> None:
        """Publish what waits: after a crash nobody else does any more."""
        try:
            async with asyncio.timeout(self._stop_seconds):
                while self._waiting:
                    if not await self._publish_first():
                        await asyncio.sleep(STOP_RETRY_SECONDS)
        except TimeoutError:
            log.warning("events_not_published", count=len(self._waiting))

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
        first = self._waiting[0]
        try:
            await self._publish([first])
        except RequestError as error:
            if error.retryable:
                return False
            log.error("event_refused", event_id=first[1].event_id, error=str(error))
        if self._waiting and self._waiting[0] is first:
            self._waiting.popleft()
        if not self._waiting:
            self._none.set()
        return True
