"""Which events leave rows in which tables besides event_logs (database-adapter §4)."""

from collections.abc import Sequence

from bridge_app.domain.database_adapter import (
    bridge_states,
    experiment_data,
    experiments,
    metadata_stamps,
    patterns,
    tool_registrations,
    workflow_executions,
    workflow_steps,
)
from bridge_app.domain.database_adapter.mapping import Route
from bridge_app.domain.database_adapter.tables import RoutedRow, Table
from bridge_app.events.envelope import Event

#: In the order in which the tables are written.
ROUTES: tuple[Route, ...] = (
    workflow_executions.ROUTE,
    workflow_steps.STEP_ROUTE,
    workflow_steps.TRANSITION_ROUTE,
    metadata_stamps.ROUTE,
    bridge_states.ROUTE,
    patterns.ROUTE,
    tool_registrations.ROUTE,
    *experiments.ROUTES,
    *experiment_data.ROUTES,
)
TABLES: tuple[Table, ...] = tuple(dict.fromkeys(route.table for route in ROUTES))
#: Events that leave nothing at all.
UNLOGGED = frozenset({"experiment.command.completed"})


def _by_type() -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    for one in ROUTES:
        for event_type in one.types:
            found.setdefault(event_type, []).append(one)
    return found


_ROUTES_OF = _by_type()


def routed_rows(event: Event) -> Sequence[RoutedRow]:
    """Return the rows of an event besides that of event_logs; most events have none.

    Raises:
        Unmappable: it should have one, and its payload does not have what the table needs.
    """
    routes = _ROUTES_OF.get(event.normal_type)
    if routes is None:
        return ()
    return [row for route in routes if (row := route.row(event)) is not None]
