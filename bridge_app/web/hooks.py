"""POST /hooks/*: services report what happened to them (hooks §1 to §4)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import faust
import structlog
from aiohttp import web

from bridge_app.clock import Clock
from bridge_app.domain.hooks import (
    LIFECYCLE,
    TOOL_EXECUTION,
    TOOL_REGISTRATION,
    Arrival,
    HookRoute,
    accept,
    hook_id,
    is_correlation_id,
)
from bridge_app.events.envelope import Event, Identity
from bridge_app.web.answers import Answers
from bridge_app.web.api import hooks as api
from bridge_app.web.api.operation import describe
from bridge_app.web.bodies import read_json
from bridge_app.web.context import RequestContext, context_of
from bridge_app.web.hook_batches import BatchReceiver
from bridge_app.web.idempotency import Idempotency
from bridge_app.web.limits import Turns
from bridge_app.web.meter import BUFFERED, PUBLISHED, VALIDATED, note_hook
from bridge_app.web.queries import flag
from bridge_app.web.views import View

log = structlog.get_logger(__name__)

TOOL_REGISTRATION_TYPES = "tool.registration."

Analyse = Callable[[Event], dict[str, Any]]


class Publish(Protocol):
    """Returns when every event is durable: True when Kafka has acknowledged it, False when the outbox has it.

    Raises a RequestError when it is accepted by neither.
    """

    def __call__(self, events: Sequence[tuple[str, Event]]) -> Awaitable[bool]: ...


class HookReceiver:
    """Takes hooks: checked, made events, published, answered. `analyse` may fail, the hook does not."""

    def __init__(
        self,
        *,
        answers: Answers,
        publish: Publish,
        analyse: Analyse,
        identity: Identity,
        clock: Clock,
        new_uuid: Callable[[], str],
        idempotency: Idempotency,
        turns: Turns,
    ) -> None:
        self.answers = answers
        self.idempotency = idempotency
        self.new_uuid = new_uuid
        self._turns = turns
        self._publish = publish
        self._analyse = analyse
        self._identity = identity
        self._clock = clock

    async def receive(self, request: web.Request, route: HookRoute) -> web.Response:
        """Answer a POST of one hook."""
        context = context_of(request)
        body = await read_json(request)
        dry_run = flag(request, "dry_run")
        _adopt_correlation(context, body)
        note = note_hook(request, route, body)
        event = accept(route, body, self.arrival(context))
        if dry_run:
            note.status = VALIDATED
            return self._answer(request, event, VALIDATED)

        async def publish_and_answer() -> web.Response:
            is_published = await self.publish([(route.topic, event)])
            note.status = PUBLISHED if is_published else BUFFERED
            return self._answer(request, event, note.status)

        return await self.idempotency.once(request, publish_and_answer)

    def _answer(self, request: web.Request, event: Event, status: str) -> web.Response:
        is_published = status == PUBLISHED
        data: dict[str, Any] = {
            "hook_id": None if status == VALIDATED else hook_id(event.event_id),
            "correlation_id": event.correlation_id,
            "processing_status": "completed" if is_published else status,
            "event_published": is_published,
            "intelligence_analysis": self.analysis(event),
            "processing_time_ms": self.answers.elapsed_ms(context_of(request)),
        }
        if event.normal_type.startswith(TOOL_REGISTRATION_TYPES):
            data.update(api.registration(event, is_published=is_published))
        return self.answers.success(request, data)

    async def publish(self, events: Sequence[tuple[str, Event]]) -> bool:
        """Publish, when it is our turn; as `Publish`, and `ServiceUnavailable` when too many wait for theirs."""
        async with self._turns.turn():
            return await self._publish(events)

    def arrival(self, context: RequestContext, index: int = 0, correlation_id: str | None = None) -> Arrival:
        """Return how item `index` of a request came in; `correlation_id` is the one it gets when none was given."""
        return Arrival(
            event_id=context.root_event_id(self.new_uuid, index),
            time_us=self._clock.now_us(),
            trace_id=context.trace_id,
            correlation_id=context.given_correlation_id,
            own_correlation_id=correlation_id or context.correlation_id,
            identity=self._identity,
            auth_id=None if context.credential is None else context.credential.id,
        )

    def analysis(self, event: Event) -> dict[str, Any]:
        """Return the first word on a hook."""
        try:
            return self._analyse(event)
        except Exception as error:  # the analysis is a courtesy: whatever is wrong with it, the hook was accepted
            log.warning("analysis_failed", event_id=event.event_id, error=repr(error))
            return {"patterns_discovered": [], "recommendations": [], "reason": "The analysis failed"}


def _adopt_correlation(context: RequestContext, body: Any) -> None:
    """Let the answer carry the body's correlation, also when the body is refused for something else."""
    given = body.get("correlation_id") if isinstance(body, dict) else None
    if isinstance(given, str) and is_correlation_id(given):
        context.correlation_id = given
        structlog.contextvars.bind_contextvars(correlation_id=given)


def register(app: faust.App, receiver: HookReceiver) -> None:
    """Add the routes of hooks."""
    batches = BatchReceiver(receiver)

    @app.page("/hooks/service/lifecycle")
    class LifecycleHook(View):
        """A service started, stopped, or changed its health."""

        @describe(api.LIFECYCLE_HOOK)
        async def post(self, request: web.Request) -> web.Response:
            return await receiver.receive(request, LIFECYCLE)

    @app.page("/hooks/tool/registration")
    class ToolRegistrationHook(View):
        """A tool was discovered or updated."""

        @describe(api.TOOL_REGISTRATION_HOOK)
        async def post(self, request: web.Request) -> web.Response:
            return await receiver.receive(request, TOOL_REGISTRATION)

    @app.page("/hooks/tool/execution")
    class ToolExecutionHook(View):
        """A tool was executed."""

        @describe(api.TOOL_EXECUTION_HOOK)
        async def post(self, request: web.Request) -> web.Response:
            return await receiver.receive(request, TOOL_EXECUTION)

    @app.page("/hooks/batch")
    class HookBatch(View):
        """Several hooks of any type at once."""

        @describe(api.HOOK_BATCH)
        async def post(self, request: web.Request) -> web.Response:
            return await batches.receive(request)
