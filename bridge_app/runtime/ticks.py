"""Time comes as events.

Each worker sends a `tick` once a second to its own partitions of an internal topic. Expiry, timeouts and windows are
driven by these records: one order, one watermark, so a replay sees the same time. A tick of a worker that has just lost
the partition does no harm: it is one more record with a time in it.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from aiokafka.errors import KafkaError
from mode import Service

from bridge_app.clock import Clock
from bridge_app.events.envelope import Event
from bridge_app.runtime.producer import Send
from bridge_app.timestamps import format_us

if TYPE_CHECKING:
    from bridge_app.runtime.app import BridgeApp

log = structlog.get_logger(__name__)

TICK_TYPE = "tick"
TICK_KEY = b"tick"
INTERVAL_SECONDS = 1.0
SEND_SECONDS = 10.0


def tick_us(event: Event) -> int | None:
    """Return the time of a tick in microseconds since the epoch, None for any other event."""
    return event.time_us if event.event_type == TICK_TYPE else None


def tick(now_us: int) -> Send:
    """Return the record of a tick; it has no payload but its time."""
    text = format_us(now_us)
    value = orjson.dumps({"event_type": TICK_TYPE, "event_timestamp": text, "timestamp": text, "payload": {}})
    return Send(TICK_KEY, value, now_us // 1000, [("event_type", TICK_TYPE.encode())])


class Ticker(Service):
    """Send ticks to this worker's partitions of one topic while it owns any."""

    def __init__(self, app: "BridgeApp", topic: str, clock: Clock, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app
        self.topic = topic
        self.clock = clock

    @Service.task
    async def _tick(self) -> None:
        while not self.should_stop:
            await self.sleep(INTERVAL_SECONDS)
            if self.app.is_processing:
                await self._send_all()

    async def _send_all(self) -> None:
        record = tick(self.clock.now_us())
        own = [tp.partition for tp in self.app.consumer.assignment() if tp.topic == self.topic]
        producing = [self.app.batch_producer.produce(self.topic, p, [record], allowed=self._allowed) for p in own]
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await asyncio.gather(*producing)
        except (KafkaError, TimeoutError) as error:
            log.warning("ticks_not_sent", topic=self.topic, error=repr(error))

    def _allowed(self) -> None:
        """Allow every try: a late tick is harmless."""
