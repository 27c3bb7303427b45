"""Many records become the rows of one transaction (database-adapter §2, step 2)."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bridge_app.domain.database_adapter.records import Entry
from bridge_app.domain.database_adapter.routing import TABLES
from bridge_app.domain.database_adapter.rows import EventRow, LetterRow
from bridge_app.domain.database_adapter.tables import RoutedRow, combine


class Rows(NamedTuple):
    """Rows by table, at most one per key, sorted by key so that two workers never wait for each other in a circle.

    `routed` has the other tables that have rows, in the order in which they are written.
    """

    event_logs: list[EventRow]
    routed: Mapping[str, list[RoutedRow]]
    dead_letters: list[LetterRow]


def fold(entries: Iterable[Entry]) -> Rows:
    """Keep the first event and the first letter of an id, and combine routed rows of one key in offset order."""
    events: dict[str, EventRow] = {}
    routed: dict[str, dict[tuple[Any, ...], RoutedRow]] = {}
    letters: dict[str, LetterRow] = {}
    for entry in entries:
        if entry.event is not None:
            events.setdefault(entry.event.event_id, entry.event)
        if entry.letter is not None:
            letters.setdefault(entry.letter.event_id, entry.letter)
        for row in entry.routed:
            found, key = routed.setdefault(row.table.name, {}), row.key
            known = found.get(key)
            found[key] = row if known is None else combine(known, row)
    return Rows(
        event_logs=[events[key] for key in sorted(events)],
        routed={table.name: _sorted(routed[table.name]) for table in TABLES if table.name in routed},
        dead_letters=[letters[key] for key in sorted(letters)],
    )


def _sorted(rows: Mapping[tuple[Any, ...], RoutedRow]) -> list[RoutedRow]:
    return [rows[key] for key in sorted(rows)]
