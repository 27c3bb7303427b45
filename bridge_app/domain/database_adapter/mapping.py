"""From the payload of an event to the columns of a table (database-adapter §4)."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bridge_app.domain.database_adapter.tables import Column, RoutedRow, Table
from bridge_app.events.envelope import Event
from bridge_app.timestamps import to_datetime

Values = dict[str, Any]


class Unmappable(ValueError):
    """A payload that has no row in its table; `path` is what is missing or wrong. The event itself is still stored."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Source:
    """Where the fields of an event are: in an object of the payload named `wrapper`, or flat in the payload."""

    def __init__(self, payload: Mapping[str, Any], wrapper: str | None = None) -> None:
        self._places: list[tuple[str, Mapping[str, Any]]] = [("$", payload)]
        inner = payload.get(wrapper) if wrapper else None
        if isinstance(inner, dict):
            self._places.insert(0, (f"$.{wrapper}", inner))
        elif inner is not None:
            raise Unmappable(f"$.{wrapper}")

    def find(self, path: str) -> tuple[str, Any]:
        """Return where a dotted path leads, as `$.a.b`, and what is there; None when nothing is."""
        for place, container in self._places:
            found: Any = container
            for name in path.split("."):
                found = found.get(name) if isinstance(found, dict) else None
            if found is not None:
                return f"{place}.{path}", found
        return f"{self._places[0][0]}.{path}", None

    def read(self, column: Column) -> Any:
        """Return the value of a column; None when the event has none.

        Raises:
            Unmappable: it has the wrong type, or is missing though required.
        """
        for path in column.paths:
            place, value = self.find(path)
            if value is not None:
                try:
                    return column.kind.read(value)
                except (ValueError, OverflowError) as error:
                    raise Unmappable(place) from error
        if column.required:
            raise Unmappable(self.find(column.paths[0])[0])
        return None


class Route(NamedTuple):
    """Which events leave a row in a table.

    `types` are compared as conventions.md says; `only_wrapped`: an event without its wrapper leaves no row. `complete`
    fills in what does not stand in the payload, and may raise Unmappable; it returns None for an event that leaves no
    row.
    """

    table: Table
    types: frozenset[str]
    wrapper: str | None = None
    complete: Callable[[Event, Source, Values], Values | None] = lambda _event, _source, values: values
    only_wrapped: bool = False

    def row(self, event: Event) -> RoutedRow | None:
        """Return the event's row.

        Raises:
            Unmappable: the payload does not have what the table needs.
        """
        if self.only_wrapped and event.payload.get(self.wrapper or "") is None:
            return None
        source = Source(event.payload, self.wrapper)
        values = {column.name: source.read(column) for column in self.table.columns if column.paths}
        completed = self.complete(event, source, values)
        return None if completed is None else RoutedRow(self.table, completed, to_datetime(event.time_us))


def columns(*given: Column) -> tuple[Column, ...]:
    """Return columns, each read from the field of its own name unless it says otherwise."""
    return tuple(column._replace(paths=column.paths or (column.name,)) for column in given)
