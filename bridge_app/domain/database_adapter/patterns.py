"""A pattern event becomes a row of intelligence_patterns (intelligence §6, §7)."""

from datetime import datetime

import orjson

from bridge_app.domain.database_adapter.rows import PatternRow
from bridge_app.domain.database_adapter.values import LARGEST_INTEGER
from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import PATTERN_DISCOVERED, PATTERN_RESOLVED, Pattern, read_pattern
from bridge_app.timestamps import to_datetime

TYPES = frozenset({PATTERN_DISCOVERED, PATTERN_RESOLVED})

_ENVIRONMENT_LENGTH = 100


class Unmappable(ValueError):
    """A payload that has no row in its table; `path` is what is missing or wrong. The event itself is still stored."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def pattern_row(event: Event) -> PatternRow:
    """Return the row of a pattern event, of the bridge or of another producer.

    Raises:
        Unmappable: it describes no pattern, or one that the columns have no room for.
    """
    pattern = read_pattern(event)
    if pattern is None:
        raise Unmappable(_missing(event))
    if pattern.revision > LARGEST_INTEGER:
        raise Unmappable("$.pattern_info.revision")
    if len(pattern.environment) > _ENVIRONMENT_LENGTH:
        raise Unmappable("$.pattern_info.environment")
    return _row(pattern)


def _row(pattern: Pattern) -> PatternRow:
    return PatternRow(
        pattern_id=pattern.uuid,
        pattern_type=pattern.pattern_type,
        confidence_score=pattern.confidence_score,
        discovery_time=_utc(pattern.discovered_us),
        pattern_data=orjson.dumps(pattern.as_dict()).decode(),
        status=pattern.status,
        revision=pattern.revision,
        last_seen=_utc(pattern.last_seen_us),
        environment=pattern.environment or None,
    )


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
