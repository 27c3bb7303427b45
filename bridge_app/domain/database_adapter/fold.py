"""Many records become the rows of one transaction (database-adapter §2, step 2)."""

from collections.abc import Iterable
from typing import NamedTuple

from bridge_app.domain.database_adapter.records import Entry
from bridge_app.domain.database_adapter.rows import EventRow, LetterRow, PatternRow


class Rows(NamedTuple):
    """Rows by table, at most one per key, sorted by key so that two workers never wait for each other in a circle."""

    event_logs: list[EventRow]
    intelligence_patterns: list[PatternRow]
    dead_letters: list[LetterRow]


def fold(entries: Iterable[Entry]) -> Rows:
    """Keep the first event and the first letter of an id, and the highest revision of a pattern."""
    events: dict[str, EventRow] = {}
    patterns: dict[str, PatternRow] = {}
    letters: dict[str, LetterRow] = {}
    for entry in entries:
        if entry.event is not None:
            events.setdefault(entry.event.event_id, entry.event)
        if entry.letter is not None:
            letters.setdefault(entry.letter.event_id, entry.letter)
        if entry.pattern is not None:
            known = patterns.get(entry.pattern.pattern_id)
            if known is None or entry.pattern.revision > known.revision:
                patterns[entry.pattern.pattern_id] = entry.pattern
    return Rows(
        event_logs=[events[key] for key in sorted(events)],
        intelligence_patterns=[patterns[key] for key in sorted(patterns)],
        dead_letters=[letters[key] for key in sorted(letters)],
    )
