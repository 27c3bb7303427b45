"""Patterns as Postgres has them: for windows the view does not cover, and for patterns that have left it (§7, §8)."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from bridge_app.domain.intelligence.patterns import HISTORY, Known, Revision, revision_of
from bridge_app.domain.intelligence.queries import Page, PatternQuery
from bridge_app.events.intelligence import Pattern, read_info
from bridge_app.timestamps import parse_us, to_datetime

#: Rows of other programs may lack what the adapter always writes.
_COLUMNS = """
    pattern_id, pattern_type, confidence_score, pattern_data, status, revision,
    coalesce(environment, '') AS environment,
    coalesce(discovery_time, created_at) AS discovered,
    coalesce(last_seen, discovery_time, created_at) AS seen,
    CASE WHEN jsonb_typeof(pattern_data->'affected_services_total') = 'number'
              THEN (pattern_data->>'affected_services_total')::numeric
         WHEN jsonb_typeof(pattern_data->'affected_services') = 'array'
              THEN jsonb_array_length(pattern_data->'affected_services')
         ELSE 0 END AS services
"""

#: What can be shown as a pattern at all.
_SOUND = "confidence_score BETWEEN 0 AND 1 AND pattern_type <> ''"

_PAGE = f"""
WITH matching AS (
    SELECT * FROM (SELECT {_COLUMNS} FROM intelligence_patterns) AS pattern
    WHERE {_SOUND} AND seen >= $1 AND confidence_score >= $2 AND status = ANY($3::text[])
      AND ($4::text IS NULL OR pattern_type = $4)
      AND ($5::text IS NULL OR pattern_data->>'severity' = $5)
      AND ($6::text IS NULL OR pattern_data->'affected_services' ? $6)
      AND ($7::text IS NULL OR pattern_data->'affected_tools' ? $7)
), page AS (
    SELECT * FROM matching
    WHERE $8::float8 IS NULL OR (-confidence_score, -services, $10::timestamp - seen, pattern_id)
          > ($8::float8, $9::numeric, interval '0', $11::uuid)
    ORDER BY confidence_score DESC, services DESC, seen DESC, pattern_id
    LIMIT $12
)
SELECT counted.total, page.*
FROM (SELECT count(*) AS total FROM matching) AS counted LEFT JOIN page ON true
ORDER BY confidence_score DESC, services DESC, seen DESC, pattern_id
"""  # noqa: S608 (constants)

_ONE = f"SELECT {_COLUMNS} FROM intelligence_patterns WHERE pattern_id = $1 AND {_SOUND}"  # noqa: S608

_REVISIONS = """
SELECT timestamp, payload->'pattern_info' AS info FROM event_logs
WHERE topic = $1 AND event_key = $2 ORDER BY timestamp DESC, "offset" DESC LIMIT $3
"""


class PoolProvider(Protocol):
    """Who lends connections, for an `operation` that the metrics name.

    Raises `ServiceUnavailable` when there is none to be had.
    """

    def acquire(self, operation: str) -> AbstractAsyncContextManager[Any]: ...


class PatternHistory:
    """Reads `intelligence_patterns`, and `event_logs` for the revisions; `topic` is the broker's name of the topic.

    JSONB columns must arrive as Python objects. Every method raises `ServiceUnavailable` while Postgres is away.
    """

    def __init__(self, postgres: PoolProvider, *, topic: str) -> None:
        self._postgres = postgres
        self._topic = topic

    async def page(self, query: PatternQuery) -> Page:
        """Return a page of all stored patterns, in the order that the view has too."""
        confidence, services, seen_us, uuid = query.after or (None, None, 0, None)
        async with self._postgres.acquire("pattern_page") as connection:
            rows = await connection.fetch(
                _PAGE, _naive(query.start_us), query.min_confidence, list(query.statuses), query.pattern_type,
                query.severity, query.service, query.tool, confidence, services, _naive(-seen_us), uuid,
                query.limit + 1,
            )  # fmt: skip
        patterns = [_pattern(row) for row in rows if row["pattern_id"] is not None]
        return Page(patterns[: query.limit], rows[0]["total"], len(patterns) > query.limit)

    async def find(self, uuid: str) -> Known | None:
        """Return a stored pattern and its last revisions, oldest first."""
        async with self._postgres.acquire("pattern_find") as connection:
            row = await connection.fetchrow(_ONE, uuid)
            if row is None:
                return None
            revisions = await connection.fetch(_REVISIONS, self._topic, uuid, HISTORY)
        pattern = _pattern(row)
        found = [revision for entry in reversed(revisions) if (revision := _revision(entry, pattern))]
        return Known(pattern, found or [revision_of(pattern, pattern.last_seen_us)])


def _pattern(row: Mapping[str, Any]) -> Pattern:
    """Return the pattern of a row; where a column says what the JSON says too, the column counts."""
    info = row["pattern_data"] if isinstance(row["pattern_data"], dict) else {}
    columns = {name: row[name] for name in ("pattern_type", "confidence_score", "status", "revision")}
    times = {"discovery_time": row["discovered"].isoformat(), "last_seen": row["seen"].isoformat()}
    pattern = read_info(
        {**info, **columns, **times},
        uuid=str(row["pattern_id"]),
        status=row["status"],
        time_us=0,
        environment=row["environment"],
    )
    assert pattern is not None, "the statement selects no other rows"
    return pattern


def _revision(row: Mapping[str, Any], pattern: Pattern) -> Revision | None:
    if not isinstance(row["info"], dict):
        return None
    found = read_info(row["info"], uuid=pattern.uuid, status=pattern.status, time_us=0, environment=pattern.environment)
    return revision_of(found, parse_us(row["timestamp"].isoformat())) if found else None


def _naive(time_us: int) -> datetime:
    """Return a time as columns without zone have it: UTC."""
    return to_datetime(time_us).replace(tzinfo=None)
