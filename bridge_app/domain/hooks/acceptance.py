"""Accept a hook: from the body a service sent to the one event that is published for it (hooks §1, §2, §6)."""

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from bridge_app.errors import FieldError, InvalidHookType, ValidationError
from bridge_app.events.envelope import Event, Identity
from bridge_app.events.fields import Errors, Object
from bridge_app.json_values import MAX_ERRORS, unstorable

CORRELATION_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]{1,255}$"
_is_correlation_id = re.compile(CORRELATION_PATTERN.replace("$", r"\Z")).match
CORRELATION_HINT = "Expected str of 1 to 255 characters without control characters"


class Arrival(NamedTuple):
    """How a hook came in, besides its body.

    `correlation_id` is the one given beside the body, `own_correlation_id` the one it gets when there is none.
    `identity` is that of the worker that takes it, None for a record that another program produced.
    """

    event_id: str
    time_us: int
    trace_id: str
    correlation_id: str | None
    own_correlation_id: str
    identity: Identity | None
    auth_id: str | None = None


class HookType(NamedTuple):
    """One canonical hook type: its event type and the fields it needs beyond those of its route."""

    event_type: str
    required: tuple[str, ...] = ()


class Completion(NamedTuple):
    """What the bridge makes of a hook besides what was sent: its event type, and the fields of its payload it adds."""

    event_type: str
    fields: dict[str, Any]


def _nothing_more(_payload: dict[str, Any], _errors: Errors) -> None:
    """Accept every payload."""


class HookRoute(NamedTuple):
    """The hooks that one route, and one topic, take.

    `check` finds what the rules of single fields cannot, in a payload that they let pass. `key` and `complete` get a
    payload that passed it, too; `complete` also gets the hook type, and the name it was sent under, folded.
    """

    topic: str
    types: Mapping[str, HookType]
    aliases: Mapping[str, str]
    body: Object
    key: Callable[[dict[str, Any]], str]
    complete: Callable[[dict[str, Any], HookType, str], Completion]
    check: Callable[[dict[str, Any], Errors], None] = _nothing_more


class _Checked(NamedTuple):
    name: str
    sent_as: str
    correlation_id: str | None
    payload: dict[str, Any]


def accept(route: HookRoute, body: Any, arrival: Arrival) -> Event:
    """Return the event of a hook; unknown fields of the body are kept in its payload.

    Raises:
        InvalidHookType: the route does not take this hook type; `details.errors` names all other problems too.
        ValidationError: the body breaks its contract; every field found wrong is named.
    """
    name, sent_as, correlation_id, payload = _check(route, body)
    completion = route.complete(payload, route.types[name], sent_as)
    payload.update(completion.fields)
    identity = arrival.identity
    return Event(
        event_id=arrival.event_id,
        event_type=completion.event_type,
        time_us=arrival.time_us,
        correlation_id=correlation_id or arrival.correlation_id or arrival.own_correlation_id,
        trace_id=arrival.trace_id,
        partition_key=route.key(payload),
        environment=identity.environment if identity else "",
        source=identity.as_source() if identity else {},
        source_node_id=identity.node_id if identity else None,
        payload=payload,
        metadata={
            "hook_id": hook_id(arrival.event_id),
            "hook_type": name,
            "client_timestamp": payload.get("timestamp"),
            "auth_id": arrival.auth_id,
            "correlation_source": "body" if correlation_id else "header" if arrival.correlation_id else "generated",
        },
    )


def _check(route: HookRoute, body: Any) -> _Checked:
    if type(body) is not dict:
        raise ValidationError([FieldError("$", "Expected object")])
    errors: Errors = []
    sent_as = sent_type(body, errors)
    name = route.aliases.get(sent_as, sent_as) if sent_as is not None else None
    if name is not None and name not in route.types:
        errors.append(FieldError("$.hook_type", f"Expected one of {', '.join(sorted(route.types))}"))
    correlation_id = _correlation(body, errors)
    own = {field: value for field, value in body.items() if field not in ("hook_type", "correlation_id")}
    inside: Errors = []
    payload = route.body.read(own, None, inside)
    hook_type = route.types.get(name or "")
    for field in hook_type.required if hook_type else ():
        if payload.get(field) is None:
            inside.append(FieldError(f"$.{field}", "Missing required field"))
    if not inside:
        route.check(payload, inside)
    errors += [*inside, *islice(unstorable(body), MAX_ERRORS)]
    if name is not None and hook_type is None:
        raise InvalidHookType(errors[:MAX_ERRORS], details={"allowed": sorted(route.types)})
    if name is None or sent_as is None or errors:
        raise ValidationError(errors[:MAX_ERRORS])
    return _Checked(name, sent_as, correlation_id, payload)


def hook_id(event_id: str) -> str:
    """Return the public id of the hook that became the event."""
    return f"hook_{event_id}"


def is_correlation_id(text: str) -> bool:
    """Tell whether a text can be a correlation id (conventions §4)."""
    return _is_correlation_id(text) is not None


def sent_type(body: dict[str, Any], errors: Errors) -> str | None:
    """Return the hook type as it was sent, folded; None when there is none."""
    sent = body.get("hook_type")
    if sent is None:
        errors.append(FieldError("$.hook_type", "Missing required field"))
        return None
    if type(sent) is not str:
        errors.append(FieldError("$.hook_type", "Expected str"))
        return None
    return sent.lower().replace("-", "_")


def _correlation(body: dict[str, Any], errors: Errors) -> str | None:
    sent = body.get("correlation_id")
    if sent is None or (type(sent) is str and is_correlation_id(sent)):
        return sent
    errors.append(FieldError("$.correlation_id", CORRELATION_HINT))
    return None
