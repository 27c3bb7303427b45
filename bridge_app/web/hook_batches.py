"""POST /hooks/batch: hooks of any type at once, each accepted or refused by itself (hooks §5)."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from aiohttp import web

from bridge_app.domain.hooks import Arrival, accept_any, hook_id, is_correlation_id, items_of, route_of
from bridge_app.domain.hooks.any_hook import ITEMS, Taken
from bridge_app.errors import FieldError, RequestError, ValidationError
from bridge_app.events.envelope import Event
from bridge_app.json_values import MAX_ERRORS
from bridge_app.web.answers import Answers
from bridge_app.web.bodies import read_json
from bridge_app.web.context import RequestContext, context_of
from bridge_app.web.idempotency import Idempotency
from bridge_app.web.meter import BUFFERED, INVALID, VALIDATED, HookNote, note_hooks
from bridge_app.web.queries import flag

#: What a hook that was refused is told where an analysis was asked for.
NO_ANALYSIS: Final[dict[str, Any]] = {
    "patterns_discovered": [],
    "recommendations": [],
    "reason": "The hook was refused",
}


class Desk(Protocol):
    """What a batch shares with single hooks."""

    answers: Answers
    idempotency: Idempotency
    new_uuid: Callable[[], str]

    def publish(self, events: Sequence[tuple[str, Event]]) -> Awaitable[bool]: ...

    def arrival(self, context: RequestContext, index: int = 0, correlation_id: str | None = None) -> Arrival: ...

    def analysis(self, event: Event) -> dict[str, Any]: ...


class BatchReceiver:
    """Takes batches: what is valid is published together, in the order given; what is not is reported."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def receive(self, request: web.Request) -> web.Response:
        """Answer a POST of a batch."""
        body = await read_json(request)
        dry_run, analysis = flag(request, "dry_run"), flag(request, "analysis")
        items = items_of(body)
        notes = note_hooks(request, ((route_of(item), item) for item in items))
        outcomes = self._accept(context_of(request), items)
        taken = [one for one in outcomes if isinstance(one, Taken)]
        results = partial(self._results, outcomes, items, context_of(request), dry_run=dry_run, analysis=analysis)
        if not taken:
            raise _refusal(outcomes, "$" if body is items else f"$.{ITEMS}", results(is_published=False))
        for note, one in zip(notes, outcomes, strict=True):
            note.status = INVALID if isinstance(one, ValidationError) else VALIDATED if dry_run else note.status

        async def publish_and_answer() -> web.Response:
            is_published = not dry_run and await self._desk.publish([(one.route.topic, one.event) for one in taken])
            if not is_published and not dry_run:
                _note_buffered(notes)
            told = results(is_published=is_published)
            data = {"accepted": len(taken), "rejected": len(items) - len(taken), "results": told}
            return self._desk.answers.success(request, data)

        return await (publish_and_answer() if dry_run else self._desk.idempotency.once(request, publish_and_answer))

    def _accept(self, context: RequestContext, items: Sequence[Any]) -> list[Taken | ValidationError]:
        """Return for each item its event, or what is wrong with it; one without a correlation id gets its own."""
        outcomes: list[Taken | ValidationError] = []
        for index, item in enumerate(items):
            own = self._desk.new_uuid() if _given(item, context) is None else None
            arrival = self._desk.arrival(context, index, own)
            try:
                outcomes.append(accept_any(item, arrival))
            except ValidationError as error:
                outcomes.append(error)
        return outcomes

    def _results(
        self,
        outcomes: Sequence[Taken | ValidationError],
        items: Sequence[Any],
        context: RequestContext,
        *,
        is_published: bool,
        dry_run: bool,
        analysis: bool,
    ) -> list[dict[str, Any]]:
        results = []
        for index, one in enumerate(outcomes):
            refused = one if isinstance(one, RequestError) else None
            result = {
                "index": index,
                "success": refused is None,
                "hook_id": hook_id(one.event.event_id) if isinstance(one, Taken) and not dry_run else None,
                "correlation_id": one.event.correlation_id if isinstance(one, Taken) else _given(items[index], context),
                "event_published": is_published and refused is None,
                "error": None if refused is None else _error(refused),
            }
            if analysis:
                result["intelligence_analysis"] = (
                    self._desk.analysis(one.event) if isinstance(one, Taken) else NO_ANALYSIS
                )
            results.append(result)
        return results


def _refusal(outcomes: Sequence[Taken | ValidationError], path: str, results: list[dict[str, Any]]) -> ValidationError:
    """Return the error when no item was accepted: `details.results` has what a mixed batch is told of each."""
    errors = [
        FieldError(f"{path}[{index}]{error.path.removeprefix('$')}", error.message)
        for index, one in enumerate(outcomes)
        if isinstance(one, ValidationError)
        for error in one.errors
    ]
    return ValidationError(errors[:MAX_ERRORS], details={"results": results})


def _error(error: RequestError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "details": error.details}


def _given(item: Any, context: RequestContext) -> str | None:
    """Return the correlation id that was given for an item, if any."""
    own = item.get("correlation_id") if isinstance(item, dict) else None
    return own if isinstance(own, str) and is_correlation_id(own) else context.given_correlation_id


def _note_buffered(notes: Sequence[HookNote]) -> None:
    for note in notes:
        if note.status != INVALID:
            note.status = BUFFERED
