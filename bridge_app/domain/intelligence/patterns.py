"""The view of patterns that every worker answers from (intelligence §1, §8).

It holds what `intelligence.patterns` brought, up to a number of patterns; the one that changed longest ago leaves
first. What it cannot answer exactly it does not answer: then Postgres must.
"""

from collections.abc import Sequence
from heapq import nsmallest
from typing import Any

import msgspec

from bridge_app.domain.intelligence.parameters import HOUR_US
from bridge_app.domain.intelligence.queries import Page, PatternQuery, place_of
from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import Pattern, read_pattern
from bridge_app.timestamps import format_us

CAPACITY = 10_000
#: Revisions of one pattern whose history is kept.
HISTORY = 50
#: How far back the view is filled at the start of a worker, and so the longest window it answers.
HORIZON_US = 24 * HOUR_US


class Revision(msgspec.Struct, frozen=True):
    """One change of a pattern; `time_us` is that of the event that brought it."""

    revision: int
    time_us: int
    confidence: float
    status: str

    def as_dict(self) -> dict[str, Any]:
        """Return the revision as the API shows it."""
        return {
            "revision": self.revision,
            "time": format_us(self.time_us),
            "confidence": self.confidence,
            "status": self.status,
        }


def revision_of(pattern: Pattern, time_us: int) -> Revision:
    """Return the entry of the history for a pattern as an event at `time_us` brought it."""
    return Revision(pattern.revision, time_us, pattern.confidence_score, pattern.status)


class Known(msgspec.Struct, frozen=True):
    """A pattern and its last revisions, oldest first."""

    pattern: Pattern
    history: Sequence[Revision]


class PatternView:
    """The last patterns, at their highest revision. Applying an event again, or an older one, changes nothing."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._known: dict[str, Known] = {}
        self._dropped_us: int | None = None

    def __len__(self) -> int:
        return len(self._known)

    def apply(self, event: Event) -> None:
        """Take in a pattern event of any producer; an event that carries no pattern is none of the view's business."""
        pattern = read_pattern(event)
        if pattern is None:
            return
        known = self._known.get(pattern.uuid)
        if known is not None and pattern.revision <= known.pattern.revision:
            return
        history = (*(known.history if known else ()), revision_of(pattern, event.time_us))[-HISTORY:]
        self._known.pop(pattern.uuid, None)  # so that it is the last to leave
        self._known[pattern.uuid] = Known(pattern, history)
        if len(self._known) > self._capacity:
            self._drop_oldest()

    def find(self, uuid: str) -> Known | None:
        """Return the pattern of a bare id."""
        return self._known.get(uuid)

    def answers(self, query: PatternQuery) -> bool:
        """Whether the view holds all that the query may match; otherwise Postgres must answer it."""
        complete = self._dropped_us is None or self._dropped_us < query.start_us
        return complete and query.window_us <= HORIZON_US

    def page(self, query: PatternQuery) -> Page:
        """Return a page of what the view holds. Blocks for about 5 ms with 10,000 patterns that all match."""
        matching = [known.pattern for known in self._known.values() if query.matches(known.pattern)]
        after = query.after
        rest = matching if after is None else [pattern for pattern in matching if place_of(pattern) > after]
        first = nsmallest(query.limit + 1, rest, key=place_of)
        return Page(first[: query.limit], len(matching), len(first) > query.limit)

    def _drop_oldest(self) -> None:
        oldest = self._known.pop(next(iter(self._known))).pattern
        self._dropped_us = max(self._dropped_us or 0, oldest.last_seen_us)
