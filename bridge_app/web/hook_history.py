"""GET /hooks and GET /hooks/{hook_id} (hooks §7)."""

from collections.abc import Mapping
from typing import Any

import faust
from aiohttp import web

from bridge_app.clock import Clock
from bridge_app.domain.database_adapter.records import ADDITIONS
from bridge_app.domain.hooks import hook_id
from bridge_app.domain.hooks.reading import EVENT_TYPES, event_id_of, parse_query
from bridge_app.effects.hook_history import HookHistory
from bridge_app.errors import NotFound
from bridge_app.events.envelope import VERSION
from bridge_app.timestamps import format_us, parse_us
from bridge_app.web.answers import Answers
from bridge_app.web.api import hook_history as api
from bridge_app.web.api.operation import describe
from bridge_app.web.views import View

BATCH = "batch"

_TYPE_OF = {event_type: name for name, types in EVENT_TYPES.items() for event_type in types}


def register(app: faust.App, history: HookHistory, *, answers: Answers, clock: Clock) -> None:
    """Add the routes."""

    @app.page("/hooks")
    class Hooks(View):
        """The hooks that were stored."""

        @describe(api.HOOKS)
        async def get(self, request: web.Request) -> web.Response:
            return answers.success(request, await list_hooks(request.query, history, clock.now_us()))

    @app.page("/hooks/{hook_id}")
    class OneHook(View):
        """One hook, and what came of it."""

        @describe(api.ONE_HOOK)
        async def get(self, request: web.Request, hook_id: str) -> web.Response:
            if hook_id == BATCH:  # a path of its own, that is posted to only
                raise web.HTTPMethodNotAllowed(request.method, ["POST"])
            return answers.success(request, await show_hook(hook_id, history))


async def list_hooks(params: Mapping[str, str], history: HookHistory, now_us: int) -> dict[str, Any]:
    """Return the `data` of a list.

    Raises:
        ValidationError: a query parameter is wrong.
        ServiceUnavailable: Postgres is away.
    """
    query = parse_query(params, now_us)
    rows = await history.page(query)
    has_more = len(rows) > query.limit
    page = rows[: query.limit]
    place = (parse_us(page[-1]["timestamp"].isoformat()), str(page[-1]["event_id"])) if has_more else None
    return {
        "hooks": [_hook(row) for row in page],
        "pagination": {
            "limit": query.limit,
            "has_more": has_more,
            "next_cursor": None if place is None else query.next_cursor(place, now_us),
        },
    }


async def show_hook(hook_id: str, history: HookHistory) -> dict[str, Any]:
    """Return the `data` of one hook, given as `hook_<uuid>` or as the bare UUID.

    Raises:
        NotFound: there is none, or it is not stored yet.
        ServiceUnavailable: Postgres is away.
    """
    event_id = event_id_of(hook_id)
    found = None if event_id is None else await history.find(event_id)
    if found is None:
        raise NotFound(f"There is no hook {hook_id}")
    row, derived = found
    time = _time(row["timestamp"])
    event = {
        "event_id": str(row["event_id"]),
        "event_type": row["event_type"],
        "envelope_version": VERSION,
        "event_version": VERSION,
        "version": VERSION,
        "event_timestamp": time,
        "timestamp": time,
        "correlation_id": row["correlation_id"],
        "causation_id": None if row["causation_id"] is None else str(row["causation_id"]),
        "partition_key": row["event_key"],
        "payload": row["payload"],
        "metadata": {name: item for name, item in row["metadata"].items() if name not in ADDITIONS},
    }
    events = [{"event_id": str(one["event_id"]), **_kept(one, "event_type", "topic")} for one in derived]
    return {**_hook(row), "event": event, "derived_events": events}


def _hook(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "hook_id": hook_id(str(row["event_id"])),
        "hook_type": _TYPE_OF[row["event_type"]],
        "received_at": _time(row["timestamp"]),
        **_kept(row, "event_type", "correlation_id", "topic", "partition", "offset"),
    }


def _kept(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _time(moment: Any) -> str:
    return format_us(parse_us(moment.isoformat()))
