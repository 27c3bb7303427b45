"""The adapter's statements: rows of every table, all or nothing, in one transaction.

One `INSERT … SELECT FROM unnest(…)` per table: the rows travel as one array per column, and Postgres plans one
statement, whatever their number.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from bridge_app.domain.database_adapter.fold import Rows
from bridge_app.effects.postgres import DRIVER_ERRORS, Postgres, failure_of

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Statement(NamedTuple):
    """How the rows of one table are written."""

    table: str
    sql: str


#: In the order of database-adapter §4.
STATEMENTS = (
    Statement(
        "event_logs",
        """
        INSERT INTO event_logs (event_id, session_id, correlation_id, causation_id, event_type, topic, "partition",
            "offset", event_key, timestamp, kafka_timestamp, processing_time_ms, payload, metadata)
        SELECT event_id, session_id, correlation_id, causation_id, event_type, topic, "partition",
            "offset", event_key, timestamp, kafka_timestamp, processing_time_ms, payload::jsonb, metadata::jsonb
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::integer[],
            $8::bigint[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::integer[], $13::text[], $14::text[])
            AS row (event_id, session_id, correlation_id, causation_id, event_type, topic, "partition",
                "offset", event_key, timestamp, kafka_timestamp, processing_time_ms, payload, metadata)
        ON CONFLICT (event_id) DO NOTHING
        """,
    ),
    Statement(
        "intelligence_patterns",
        """
        INSERT INTO intelligence_patterns AS pattern (pattern_id, pattern_type, confidence_score, discovery_time,
            pattern_data, status, revision, last_seen, environment)
        SELECT pattern_id, pattern_type, confidence_score, discovery_time,
            pattern_data::jsonb, status, revision, last_seen, environment
        FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::timestamp[], $5::text[], $6::text[], $7::integer[],
            $8::timestamp[], $9::text[])
            AS row (pattern_id, pattern_type, confidence_score, discovery_time,
                pattern_data, status, revision, last_seen, environment)
        ON CONFLICT (pattern_id) DO UPDATE SET
            pattern_type = excluded.pattern_type, confidence_score = excluded.confidence_score,
            discovery_time = excluded.discovery_time, pattern_data = excluded.pattern_data,
            status = excluded.status, revision = excluded.revision, last_seen = excluded.last_seen,
            environment = excluded.environment
        WHERE excluded.revision > pattern.revision
        """,
    ),
    Statement(
        "dead_letters",
        """
        INSERT INTO dead_letters (event_id, dlq_topic, dlq_partition, dlq_offset, original_topic, original_partition,
            original_offset, original_timestamp, original_key, error_type, error_message, agent, failed_at, letter)
        SELECT event_id, dlq_topic, dlq_partition, dlq_offset, original_topic, original_partition,
            original_offset, original_timestamp, original_key, error_type, error_message, agent, failed_at,
            letter::jsonb
        FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::bigint[], $5::text[], $6::integer[], $7::bigint[],
            $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::text[])
            AS row (event_id, dlq_topic, dlq_partition, dlq_offset, original_topic, original_partition,
                original_offset, original_timestamp, original_key, error_type, error_message, agent, failed_at, letter)
        ON CONFLICT DO NOTHING
        """,
    ),
)


class EventStore:
    """Writes rows over a connection of its own, outside of the pool; one call at a time."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._connection: Connection | None = None

    async def store(self, rows: Rows) -> dict[str, int]:
        """Store all rows or none; rows that are already there are skipped or, with a higher revision, replaced.

        When it returns, the rows are on disk. When it is cancelled or the connection is lost, whether they are is
        unknown: store them again.

        Returns:
            How many rows were written, by table.

        Raises:
            DatabaseFailure: none was stored, or the connection was lost.
        """
        try:
            connection = await self._ensure_connection()
            return await _store(connection, rows)
        except asyncpg.PostgresError as error:
            raise failure_of(error) from error
        except DRIVER_ERRORS as error:
            self.close()
            raise failure_of(error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection without a word; the next call opens another one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _ensure_connection(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._postgres.connect("omninode-bridge-adapter", synchronous_commit="on")
        return self._connection


async def _store(connection: Connection, rows: Rows) -> dict[str, int]:
    work: list[tuple[Statement, Sequence[tuple[Any, ...]]]] = [
        (statement, getattr(rows, statement.table)) for statement in STATEMENTS if getattr(rows, statement.table)
    ]
    if len(work) == 1:  # a single statement is a transaction by itself: two round trips fewer
        return {work[0][0].table: await _insert(connection, *work[0])}
    async with connection.transaction():
        return {statement.table: await _insert(connection, statement, table) for statement, table in work}


async def _insert(connection: Connection, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> int:
    status = await connection.execute(statement.sql, *zip(*rows, strict=True))
    return int(status.rpartition(" ")[2])
