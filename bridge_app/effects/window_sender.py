"""Send one window of the outbox at a time, through a producer of its own."""

import asyncio
from collections.abc import Sequence

from aiokafka.errors import UnknownTopicOrPartitionError

from bridge_app.effects.flight import REFUSED, Flight
from bridge_app.effects.missing_topics import MissingTopics
from bridge_app.effects.outbox.replay import Refusal
from bridge_app.effects.producer_link import ProducerLink
from bridge_app.events.envelope import Outgoing

#: As long as a broker may take, after a restart, from its first answer until its partitions have leaders again. Nobody
#: waits for a window; one whose connection is in doubt is interrupted.
WINDOW_SECONDS = 20.0
#: How long the broker may take to say which topics it has.
ASK_SECONDS = 4.0


class WindowSender:
    """Hands windows to a producer (`Send` of the replay). Nobody else may send while one is under way."""

    def __init__(self, link: ProducerLink, missing: MissingTopics) -> None:
        self._link = link
        self._missing = missing
        self._flight: Flight | None = None

    async def connect(self) -> None:
        """Connect, unless that is done.

        Raises:
            ConnectionError: no broker answers, or not in time.
        """
        if not self._link.is_connected:
            await self._link.connect()

    async def send(self, records: Sequence[Outgoing]) -> Sequence[Exception | None]:
        """Hand over the records in order and wait for every acknowledgement; the producer is abandoned if one misses.

        It stops before a record whose topic is missing: the outcome is `UnknownTopicOrPartitionError`, a Refusal when
        the topic is given up.

        Raises: as `connect`.
        """
        await self.connect()
        ready = await self._with_topic(records)
        outcomes = await self._send(records[:ready]) if ready else []
        if ready < len(records):
            topic = records[ready].topic
            reason = await self._missing.missed(topic)
            outcomes.append(UnknownTopicOrPartitionError(topic) if reason is None else Refusal(reason))
            outcomes += [TimeoutError("Not sent")] * (len(records) - len(outcomes))
        return outcomes

    async def _with_topic(self, records: Sequence[Outgoing]) -> int:
        """Return how many records come before the first whose topic is missing."""
        there: set[str] = set()
        for index, record in enumerate(records):
            if record.topic not in there:
                async with asyncio.timeout(ASK_SECONDS):
                    if not await self._link.has_topic(record.topic):
                        return index
                there.add(record.topic)
                self._missing.found(record.topic)
        return len(records)

    async def _send(self, records: Sequence[Outgoing]) -> list[Exception | None]:
        try:
            async with asyncio.timeout(WINDOW_SECONDS) as limit:
                self._flight = flight = Flight(records, limit)
                await flight.hand_over(self._link.send)
                await flight.landed()
        except TimeoutError:
            pass  # the outcomes tell what is missing
        except BaseException:
            self._link.abandon()
            raise
        finally:
            self._flight = None
        outcomes = flight.outcomes()
        if any(error is not None for error in outcomes):
            self._link.abandon()
        return [Refusal(repr(error)) if isinstance(error, REFUSED) else error for error in outcomes]

    def interrupt(self) -> None:
        """Give up the window that is under way, if one is: its connection is in doubt."""
        if self._flight is not None:
            self._flight.interrupt()
        else:
            self._link.abandon()

    async def stop(self) -> None:
        """Disconnect."""
        await self._link.stop()
