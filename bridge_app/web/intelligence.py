"""Read what was found and what is usual: `GET /intelligence/patterns`, one of them, `…/baselines` (intelligence §8)."""

from collections.abc import Mapping
from typing import Any, Protocol

import faust
from aiohttp import web

from bridge_app.clock import Clock
from bridge_app.domain.intelligence.baselines import BaselineView, parse_filters
from bridge_app.domain.intelligence.patterns import Known, PatternView
from bridge_app.domain.intelligence.queries import Page, PatternQuery, parse_query
from bridge_app.errors import NotFound
from bridge_app.events.intelligence import bare_id
from bridge_app.timestamps import format_us
from bridge_app.web.answers import Answers
from bridge_app.web.api import intelligence as api
from bridge_app.web.api.operation import describe
from bridge_app.web.views import View


class History(Protocol):
    """The patterns that the view does not hold; raises `ServiceUnavailable` when they cannot be read."""

    async def page(self, query: PatternQuery) -> Page: ...

    async def find(self, uuid: str) -> Known | None: ...


def register(
    app: faust.App, *, view: PatternView, baselines: BaselineView, history: History, answers: Answers, clock: Clock
) -> None:
    """Add the routes. Neither waits for anything but `history`, and for that only where the view cannot answer."""

    @app.page("/intelligence/patterns")
    class Patterns(View):
        """The patterns of a time window, the surest first."""

        @describe(api.PATTERNS)
        async def get(self, request: web.Request) -> web.Response:
            return answers.success(request, await list_patterns(request.query, view, history, clock.now_us()))

    @app.page("/intelligence/patterns/{pattern_id}")
    class OnePattern(View):
        """One pattern and how it came about."""

        @describe(api.ONE_PATTERN)
        async def get(self, request: web.Request, pattern_id: str) -> web.Response:
            return answers.success(request, await show_pattern(pattern_id, view, history))

    @app.page("/intelligence/baselines")
    class Baselines(View):
        """What is usual for the metrics of tools and services."""

        @describe(api.BASELINES)
        async def get(self, request: web.Request) -> web.Response:
            tool, service = parse_filters(request.query)
            return answers.success(request, {"baselines": baselines.list(tool, service)})


async def list_patterns(params: Mapping[str, str], view: PatternView, history: History, now_us: int) -> dict[str, Any]:
    """Return the `data` of a list.

    Raises:
        ValidationError: a query parameter is wrong.
        ServiceUnavailable: only Postgres could answer, and it is away.
    """
    query = parse_query(params, now_us)
    page = view.page(query) if view.answers(query) else await history.page(query)
    return {
        "patterns": [pattern.as_dict() for pattern in page.patterns],
        "total_patterns": page.total,
        "analysis_window": {"start_time": format_us(query.start_us), "end_time": format_us(query.end_us)},
        "pagination": {
            "limit": query.limit,
            "has_more": page.has_more,
            "next_cursor": query.next_cursor(page.patterns[-1], now_us) if page.has_more else None,
        },
    }


async def find_pattern(pattern_id: str, view: PatternView, history: History) -> Known:
    """Return one pattern, given as `pattern_<uuid>` or as the bare UUID, with its history.

    Raises:
        NotFound: there is none.
        ServiceUnavailable: the view does not hold it, and Postgres is away.
    """
    uuid = bare_id(pattern_id)
    known = None if uuid is None else view.find(uuid) or await history.find(uuid)
    if known is None:
        raise NotFound(f"There is no pattern {pattern_id}")
    return known


async def show_pattern(pattern_id: str, view: PatternView, history: History) -> dict[str, Any]:
    """Return the `data` of one pattern. As `find_pattern`."""
    known = await find_pattern(pattern_id, view, history)
    return {**known.pattern.as_dict(), "history": [revision.as_dict() for revision in known.history]}
