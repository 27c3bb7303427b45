"""Hooks of any type, as a batch has them: each is accepted or refused by itself (hooks §5)."""

from typing import Any, Final, NamedTuple

from bridge_app.domain.hooks.acceptance import Arrival, HookRoute, accept, sent_type
from bridge_app.domain.hooks.lifecycle import LIFECYCLE
from bridge_app.domain.hooks.tool_execution import TOOL_EXECUTION
from bridge_app.domain.hooks.tool_registration import TOOL_REGISTRATION
from bridge_app.errors import FieldError, ValidationError
from bridge_app.events.envelope import Event
from bridge_app.events.fields import Object
from bridge_app.events.hooks import COMMON

ROUTES: Final = (LIFECYCLE, TOOL_REGISTRATION, TOOL_EXECUTION)
MOST_ITEMS: Final = 1000
#: The member of a batch that is an object.
ITEMS: Final = "hooks"

_ROUTE_OF: Final = {name: route for route in ROUTES for name in (*route.types, *route.aliases)}
#: Refuses every hook that no route takes: for its type, and for what is wrong with the fields that all hooks have.
_UNKNOWN: Final = LIFECYCLE._replace(
    types={name: kind for route in ROUTES for name, kind in route.types.items()}, aliases={}, body=Object(COMMON)
)


class Taken(NamedTuple):
    """An accepted hook, and the route it belongs to."""

    route: HookRoute
    event: Event


def items_of(body: Any) -> list[Any]:
    """Return the hooks of a batch: an array, or an object with the array `hooks`.

    Raises:
        ValidationError: no array, an empty one, or one of more than 1000 items.
    """
    path, items = ("$", body) if type(body) is not dict else (f"$.{ITEMS}", body.get(ITEMS))
    if type(items) is not list or not 1 <= len(items) <= MOST_ITEMS:
        raise ValidationError([FieldError(path, f"Expected array of 1 to {MOST_ITEMS} hooks")])
    return items


def route_of(body: Any) -> HookRoute | None:
    """Return the route that takes the type of a hook, None when there is none."""
    sent = sent_type(body, []) if type(body) is dict else None
    return None if sent is None else _ROUTE_OF.get(sent)


def accept_any(body: Any, arrival: Arrival) -> Taken:
    """Return the event of a hook of any type.

    Raises:
        InvalidHookType: no route takes this hook type; `details.errors` names what else is wrong.
        ValidationError: the body breaks its contract.
    """
    route = route_of(body) or _UNKNOWN
    return Taken(route, accept(route, body, arrival))
