"""Topics that Kafka does not have though records wait for them: created again, and given up when that cannot help."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiokafka.errors import KafkaError

from bridge_app.clock import Clock
from bridge_app.effects.flight import REFUSED

log = structlog.get_logger(__name__)

#: So long a topic is missing before it is created, and so long between two attempts: a worker that starts creates its
#: topics itself, and so may an operator who has just deleted one.
RESTORE_SECONDS = 5.0
ATTEMPT_SECONDS = 10.0
#: So long a topic must be missing, and creating it of no avail, before its records are set aside.
GONE_SECONDS = 60.0


class MissingTopics:
    """Whoever finds that a topic is missing says so again and again, until it is there.

    `restore` creates what is missing of the catalogue. A topic is given up only when that will never bring it back:
    it is not in the catalogue, or the broker forbids it. While the broker merely cannot, records wait.
    """

    def __init__(self, restore: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self._restore = restore
        self._clock = clock
        self._next_attempt = 0.0
        self._missing: dict[str, float] = {}
        self._hopeless: dict[str, tuple[float, str]] = {}

    def found(self, topic: str) -> None:
        """Take note that a topic is there."""
        self._missing.pop(topic, None)
        self._hopeless.pop(topic, None)

    async def missed(self, topic: str) -> str | None:
        """Take note that a topic is missing, and see to it when it is time; return why it is given up, None if not."""
        now = self._clock.monotonic()
        since = self._missing.setdefault(topic, now)
        if now >= max(since + RESTORE_SECONDS, self._next_attempt):
            self._next_attempt = now + RESTORE_SECONDS
            await self._try(topic)
        hopeless_since, reason = self._hopeless.get(topic, (now, ""))
        return reason if now - hopeless_since >= GONE_SECONDS else None

    async def _try(self, topic: str) -> None:
        log.warning("topic_missing", topic=topic)
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await self._restore()
        except REFUSED as error:
            reason = f"the topic does not exist, and Kafka refuses to create it: {error!r}"
        except (KafkaError, OSError) as error:
            log.warning("topic_not_restored", topic=topic, error=repr(error))
            self._hopeless.pop(topic, None)
            return
        else:
            reason = "the topic does not exist, and is none of those that the bridge creates"
        since, _ = self._hopeless.get(topic, (self._clock.monotonic(), ""))
        self._hopeless[topic] = since, reason
