"""Records that were dead-lettered, on their way back to their topics: no outbox, the caller waits and is told."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka.errors import KafkaError
from mode import Service

from bridge_app.domain.breaker import BreakerState, CircuitBreaker
from bridge_app.domain.dead_letters import ReplayedRecord
from bridge_app.effects.producer_link import MAX_REQUEST_BYTES
from bridge_app.effects.spare_producer import SpareProducer
from bridge_app.errors import CircuitOpenError, ServiceUnavailable
from bridge_app.settings import Settings


class ReplaySender(Service):
    """Sends with an idempotent producer of its own, which is started when there is something to send.

    `breaker` tells whether Kafka is worth trying, `is_well` what its last probe said.
    """

    def __init__(self, settings: Settings, breaker: CircuitBreaker, is_well: Callable[[], bool], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._breaker = breaker
        self._is_well = is_well
        self._producer = SpareProducer(settings, f"{settings.node_id}-replay", max_request_size=MAX_REQUEST_BYTES)
        self._turn = asyncio.Lock()

    async def send(self, records: Sequence[ReplayedRecord]) -> list[str | None]:
        """Send records in order; return for each None when Kafka has acknowledged it, else why not.

        Raises:
            ServiceUnavailable: no broker answers within `KAFKA_TIMEOUT_SECONDS`; a record may be in Kafka nevertheless.
                Without records: none is known to answer.
        """
        if not records:
            self._check()
            return []
        try:
            permit = self._breaker.acquire()
        except CircuitOpenError as error:
            raise ServiceUnavailable(f"Kafka is away: {error}") from error
        try:
            async with asyncio.timeout(self._settings.kafka_timeout_seconds), self._turn:
                outcomes = await self._send(records)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._producer.give_up()
            permit.failure(error)
            raise ServiceUnavailable(f"Kafka is away: {error!r}") from error
        except BaseException:
            permit.ignore()
            raise
        permit.success()
        return [None if error is None else f"Kafka refused it: {error!r}" for error in outcomes]

    async def on_stop(self) -> None:
        await self._producer.give_up()

    def _check(self) -> None:
        if self._breaker.snapshot().state is BreakerState.OPEN or not self._is_well():
            raise ServiceUnavailable("Kafka is away")

    async def _send(self, records: Sequence[ReplayedRecord]) -> list[Exception | None]:
        producer = await self._producer.get()
        outcomes: list[Exception | None] = []
        sent: list[asyncio.Future[Any]] = []
        for record in records:
            topic, key, value, timestamp_ms, headers = record
            sent.append(await producer.send(topic, key=key, value=value, timestamp_ms=timestamp_ms, headers=headers))
        for outcome in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, KafkaError):
                raise outcome
            if isinstance(outcome, KafkaError) and outcome.retriable:
                raise outcome
            outcomes.append(outcome if isinstance(outcome, KafkaError) else None)
        return outcomes
