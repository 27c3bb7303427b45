"""The two tables that every deployment fills: event_logs and dead_letters; rows have the columns in their order."""

from datetime import datetime
from typing import NamedTuple

from bridge_app.domain.database_adapter import kinds
from bridge_app.domain.database_adapter.tables import Column, Table


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


EVENT_LOGS = Table(
    "event_logs",
    key=("event_id",),
    columns=(
        Column("event_id", kinds.UUID),
        Column("session_id", kinds.UUID),
        Column("correlation_id", kinds.TEXT),
        Column("causation_id", kinds.UUID),
        Column("event_type", kinds.TEXT),
        Column("topic", kinds.TEXT),
        Column("partition", kinds.integer()),
        Column("offset", kinds.integer(big=True)),
        Column("event_key", kinds.TEXT),
        Column("timestamp", kinds.MOMENT),
        Column("kafka_timestamp", kinds.MOMENT),
        Column("processing_time_ms", kinds.integer()),
        Column("payload", kinds.OBJECT),
        Column("metadata", kinds.OBJECT),
    ),
)

DEAD_LETTERS = Table(
    "dead_letters",
    key=("event_id",),
    columns=(
        Column("event_id", kinds.UUID),
        Column("dlq_topic", kinds.TEXT),
        Column("dlq_partition", kinds.integer()),
        Column("dlq_offset", kinds.integer(big=True)),
        Column("original_topic", kinds.TEXT),
        Column("original_partition", kinds.integer()),
        Column("original_offset", kinds.integer(big=True)),
        Column("original_timestamp", kinds.MOMENT),
        Column("original_key", kinds.TEXT),
        Column("error_type", kinds.TEXT),
        Column("error_message", kinds.TEXT),
        Column("agent", kinds.TEXT),
        Column("failed_at", kinds.MOMENT),
        Column("letter", kinds.OBJECT),
    ),
)
