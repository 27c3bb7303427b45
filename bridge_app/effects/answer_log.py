"""The answers under idempotency keys that all workers have recorded, tailed into memory (conventions §5)."""

import math
from typing import Any

import structlog

from bridge_app.clock import Clock
from bridge_app.domain.idempotency import KeptAnswers
from bridge_app.errors import PoisonRecord
from bridge_app.events.decoding import decode
from bridge_app.events.record import Record
from bridge_app.kafka_clients import client_options
from bridge_app.runtime.view import TopicTail
from bridge_app.settings import Settings
from bridge_app.topics import HTTP_IDEMPOTENCY

log = structlog.get_logger(__name__)


class AnswerLog(TopicTail):
    """A replicated view; `kept` is what it has. A record that is none is counted by the log and passed over."""

    def __init__(self, settings: Settings, clock: Clock, **kwargs: Any) -> None:
        ttl_seconds = settings.idempotency_ttl_hours * 3600
        self.kept = KeptAnswers(ttl_seconds=ttl_seconds, most_keys=settings.idempotency_max_keys)
        super().__init__(
            client_options=client_options(settings),
            topic=settings.topic(HTTP_IDEMPOTENCY.name),
            apply=self._take_in,
            clock=clock,
            since_seconds=math.ceil(ttl_seconds),
            **kwargs,
        )

    def _take_in(self, record: Record) -> None:
        try:
            self.kept.apply(decode(record), self._clock.now_us())
        except (PoisonRecord, ValueError) as error:
            log.warning(
                "idempotency_record_skipped", partition=record.partition, offset=record.offset, error=str(error)
            )
