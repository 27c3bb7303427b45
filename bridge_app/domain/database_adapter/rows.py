"""The columns of the tables, in the order in which the statements name them."""

from datetime import datetime
from typing import NamedTuple


class EventRow(NamedTuple):
    """A row of event_logs (database-adapter §3); `payload` and `metadata` are JSON text."""

    event_id: str
    session_id: str
    correlation_id: str
    causation_id: str | None
    event_type: str
    topic: str
    partition: int
    offset: int
    event_key: str | None
    timestamp: datetime
    kafka_timestamp: datetime
    processing_time_ms: int | None
    payload: str
    metadata: str


class PatternRow(NamedTuple):
    """A row of intelligence_patterns (intelligence §7); times are UTC without zone, `pattern_data` is JSON text."""

    pattern_id: str
    pattern_type: str
    confidence_score: float
    discovery_time: datetime
    pattern_data: str
    status: str
    revision: int
    last_seen: datetime
    environment: str | None


class LetterRow(NamedTuple):
    """A row of dead_letters (database-adapter §6); `letter` is the payload of the dead letter as JSON text."""

    event_id: str
    dlq_topic: str
    dlq_partition: int
    dlq_offset: int
    original_topic: str
    original_partition: int
    original_offset: int
    original_timestamp: datetime | None
    original_key: str | None
    error_type: str
    error_message: str | None
    agent: str | None
    failed_at: datetime
    letter: str
