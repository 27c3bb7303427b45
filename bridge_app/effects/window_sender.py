"""Send one window of the outbox at a time, guarded by the breaker of Kafka."""

import asyncio
from collections.abc import Sequence

from bridge_app.domain.breaker import CircuitBreaker
from bridge_app.effects.flight import REFUSED, Flight
from bridge_app.effects.outbox.replay import Refusal
from bridge_app.effects.producer_link import ProducerLink
from bridge_app.events.envelope import Outgoing

#: A window is larger than a hook, and nobody waits for it.
WINDOW_SECONDS = 5.0


class WindowSender:
    """Hands windows to the producer (`Send` of the replay). Nobody else may while one is under way."""

    def __init__(self, link: ProducerLink, breaker: CircuitBreaker) -> None:
        self._link = link
        self._breaker = breaker
        self._flight: Flight | None = None

    async def send(self, records: Sequence[Outgoing]) -> Sequence[Exception | None]:
        """Hand over the records in order and wait for every acknowledgement; the producer is abandoned if one misses.

        Raises:
            CircuitOpenError: nothing may be sent now.
        """
        await self._link.until_connected()
        permit = self._breaker.acquire()
        try:
            async with asyncio.timeout(WINDOW_SECONDS) as limit:
                self._flight = flight = Flight(records, permit, limit)
                await flight.hand_over(self._link.send)
                await flight.landed()
        except TimeoutError:
            pass  # the outcomes tell what is missing
        finally:
            self._flight = None
        outcomes = flight.outcomes()
        failures = [error for error in outcomes if error is not None]
        if not failures:
            permit.success()
            return outcomes
        self._link.abandon()
        refusals = [error for error in failures if isinstance(error, REFUSED)]
        if refusals:
            permit.success()  # it answers
        else:
            permit.failure(failures[0])
        return [Refusal(repr(error)) if isinstance(error, REFUSED) else error for error in outcomes]

    def interrupt(self) -> None:
        """Give up the window that is under way, if one is: its connection is gone."""
        if self._flight is not None:
            self._flight.interrupt()
