"""What a table is: its columns, its key, and which of two rows of one key stays.

A table that events are routed to is one declaration; from it come the mapping (`mapping.py`), the folding of a batch
(`combine`) and the statement (`bridge_app/effects/statements.py`).
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from bridge_app.domain.database_adapter.kinds import Kind


class Column(NamedTuple):
    """One column.

    `paths` are where an event has its value, the first that is there counts; without any the column is filled by the
    route's `complete`. An event without a `required` one has no row. `default` is SQL that stands for null.
    """

    name: str
    kind: Kind
    paths: tuple[str, ...] = ()
    required: bool = False
    default: str | None = None


class Conflict(Enum):
    """What becomes of a row whose key is there already.

    FIRST: it is dropped. HIGHER: it replaces the other if its rank is higher. NEWEST: also if its rank is the same.
    MERGED: with a higher rank it sets every column it has, else it fills those that are null or have their default.
    """

    FIRST = "first"
    HIGHER = "higher"
    NEWEST = "newest"
    MERGED = "merged"


class Table(NamedTuple):
    """One table; `rank` is the column by which rows of one key are compared.

    `earliest` columns keep the lowest value whatever the rank, `kept` ones are set by the first row only, `touched` is
    set to the time of the transaction by every change.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    conflict: Conflict = Conflict.FIRST
    rank: str = ""
    earliest: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    touched: str | None = None


class RoutedRow(NamedTuple):
    """A row that an event leaves in another table than event_logs; `time` is the event's.

    A column without value is null.
    """

    table: Table
    values: Mapping[str, Any]
    time: datetime

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(self.values[name] for name in self.table.key)

    def in_order(self) -> tuple[Any, ...]:
        """Return the values in the order of the table's columns."""
        return tuple(self.values.get(column.name) for column in self.table.columns)


def combine(kept: RoutedRow, new: RoutedRow) -> RoutedRow:
    """Return the one row for two of the same key, of which `new` came later: as the statement would, one by one.

    A merged row has the higher rank of both, also for the columns that only the lower one had.
    """
    table = kept.table
    if table.conflict is Conflict.FIRST:
        return kept
    before, after = kept.values[table.rank], new.values[table.rank]
    is_higher = after >= before if table.conflict is Conflict.NEWEST else after > before
    if table.conflict is Conflict.MERGED:
        return _merged(kept, new) if is_higher else _merged(new, kept)
    return new._replace(values=_keeping(kept, new.values)) if is_higher else kept


def _merged(weak: RoutedRow, strong: RoutedRow) -> RoutedRow:
    table = weak.table
    values = {**weak.values, **{name: value for name, value in strong.values.items() if value is not None}}
    for name in table.earliest:
        values[name] = min(weak.values[name], strong.values[name])
    return RoutedRow(table, values, min(weak.time, strong.time))


def _keeping(first: RoutedRow, values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**values, **{name: first.values.get(name) for name in first.table.kept}}
