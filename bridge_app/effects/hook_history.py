"""Hooks as Postgres has them (hooks §7)."""

from collections.abc import Mapping, Sequence
from typing import Any

from bridge_app.domain.hooks.reading import EVENT_TYPES, HookQuery
from bridge_app.effects.pattern_history import PoolProvider
from bridge_app.timestamps import to_datetime

#: Events whose cause a hook is, at most.
MOST_DERIVED = 1000

_COLUMNS = 'event_id, event_type, correlation_id, timestamp, topic, "partition", "offset", metadata'

#: One branch per event type: each can be read along the index of types and times, whatever else the table holds.
_PAGE = f"""
SELECT hook.* FROM unnest($1::text[]) AS kind (name), LATERAL (
    SELECT {_COLUMNS} FROM event_logs
    WHERE event_type = kind.name AND topic = ANY($2::text[])
      AND ($3::text IS NULL OR payload #>> '{{service_info,name}}' = $3
           OR payload #>> '{{tool_info,service_source}}' = $3
           OR payload #>> '{{execution_info,executor_service}}' = $3
           OR payload #>> '{{execution_info,requester_service}}' = $3)
      AND ($4::text IS NULL OR payload #>> '{{tool_info,name}}' = $4 OR payload #>> '{{execution_info,tool_name}}' = $4)
      AND ($5::text IS NULL OR correlation_id = $5)
      AND ($6::timestamptz IS NULL OR timestamp >= $6)
      AND ($7::timestamptz IS NULL OR timestamp < $7)
      AND ($8::timestamptz IS NULL OR (timestamp, event_id) < ($8, $9::uuid))
    ORDER BY timestamp DESC, event_id DESC LIMIT $10
) AS hook
ORDER BY timestamp DESC, event_id DESC LIMIT $10
"""  # noqa: S608 (constants)

_ONE = f"""
SELECT {_COLUMNS}, causation_id, event_key, payload FROM event_logs
WHERE event_id = $1 AND topic = ANY($2::text[]) AND event_type = ANY($3::text[])
"""  # noqa: S608 (constants)

_DERIVED = """
SELECT event_id, event_type, topic FROM event_logs WHERE causation_id = $1 ORDER BY timestamp, event_id LIMIT $2
"""


class HookHistory:
    """Reads `event_logs`; `topics` are the broker's names of the topics of hooks.

    JSONB columns must arrive as Python objects. Every method raises `ServiceUnavailable` while Postgres is away.
    """

    def __init__(self, postgres: PoolProvider, *, topics: Sequence[str]) -> None:
        self._postgres = postgres
        self._topics = list(topics)

    async def page(self, query: HookQuery) -> list[Mapping[str, Any]]:
        """Return the rows of a page, the latest first, and one more when there is a next page."""
        after_us, after_id = query.after or (None, None)
        async with self._postgres.acquire("hook_page") as connection:
            found: list[Mapping[str, Any]] = await connection.fetch(
                _PAGE, query.event_types, self._topics, query.service, query.tool, query.correlation_id,
                _moment(query.since_us), _moment(query.until_us), _moment(after_us), after_id, query.limit + 1,
            )  # fmt: skip
        return found

    async def find(self, event_id: str) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]] | None:
        """Return the row of a hook and those of the events whose cause it is; None when there is no such hook."""
        types = [event_type for kind in EVENT_TYPES.values() for event_type in kind]
        async with self._postgres.acquire("hook_find") as connection:
            row = await connection.fetchrow(_ONE, event_id, self._topics, types)
            if row is None:
                return None
            derived = await connection.fetch(_DERIVED, event_id, MOST_DERIVED)
        return row, derived


def _moment(time_us: int | None) -> Any:
    return None if time_us is None else to_datetime(time_us)
