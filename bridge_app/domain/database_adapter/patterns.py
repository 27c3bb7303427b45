"""A pattern event becomes a row of intelligence_patterns, the highest revision stays (intelligence §6, §7)."""

from datetime import datetime

import orjson

from bridge_app.domain.database_adapter import kinds
from bridge_app.domain.database_adapter.mapping import Route, Source, Unmappable, Values
from bridge_app.domain.database_adapter.tables import Column, Conflict, Table
from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import PATTERN_DISCOVERED, PATTERN_RESOLVED, Pattern, read_pattern
from bridge_app.timestamps import to_datetime

INTELLIGENCE_PATTERNS = Table(
    "intelligence_patterns",
    key=("pattern_id",),
    columns=(
        Column("pattern_id", kinds.UUID),
        Column("pattern_type", kinds.TEXT),
        Column("confidence_score", kinds.NUMBER),
        Column("discovery_time", kinds.PLAIN_MOMENT),
        Column("pattern_data", kinds.OBJECT),
        Column("status", kinds.TEXT),
        Column("revision", kinds.integer()),
        Column("last_seen", kinds.PLAIN_MOMENT),
        Column("environment", kinds.TEXT),
    ),
    conflict=Conflict.HIGHER,
    rank="revision",
)


def _complete(event: Event, _source: Source, _values: Values) -> Values:
    pattern = read_pattern(event)
    if pattern is None:
        raise Unmappable(_missing(event))
    return _values_of(pattern)


def _values_of(pattern: Pattern) -> Values:
    return {
        "pattern_id": pattern.uuid,
        "pattern_type": pattern.pattern_type,
        "confidence_score": pattern.confidence_score,
        "discovery_time": _utc(pattern.discovered_us),
        "pattern_data": orjson.dumps(pattern.as_dict()).decode(),
        "status": pattern.status,
        "revision": pattern.revision,
        "last_seen": _utc(pattern.last_seen_us),
        "environment": pattern.environment or None,
    }


def _missing(event: Event) -> str:
    info = event.payload.get("pattern_info")
    if not isinstance(info, dict):
        return "$.pattern_info"
    pattern_type = info.get("pattern_type")
    if isinstance(pattern_type, str) and 1 <= len(pattern_type) <= 100:
        return "$.pattern_info.confidence_score"
    return "$.pattern_info.pattern_type"


def _utc(time_us: int) -> datetime:
    return to_datetime(time_us).replace(tzinfo=None)


ROUTE = Route(INTELLIGENCE_PATTERNS, frozenset({PATTERN_DISCOVERED, PATTERN_RESOLVED}), complete=_complete)
