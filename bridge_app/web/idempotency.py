"""Idempotency keys on every POST that creates: one effect, and the same answer again (conventions §5).

A route checks its request, derives the ids of its root events from the key (`RequestContext.root_event_id`) and hands
what is left to do to `Idempotency.once`. An answer is recorded on a topic that every worker reads, and whoever gets the
key next repeats it. What is not known any more, or not yet, is done again under the same ids: it has no effect.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog
from aiohttp import web

from bridge_app.clock import Clock
from bridge_app.domain.idempotency import Answer, KeptAnswers, Scope, body_hash, to_event
from bridge_app.errors import IdempotencyKeyReused, RequestError, RequestInProgress
from bridge_app.events.envelope import Event, Identity
from bridge_app.topics import HTTP_IDEMPOTENCY
from bridge_app.web.answers import JSON_TYPE, Answers
from bridge_app.web.bodies import read_bytes
from bridge_app.web.context import RequestContext, context_of

log = structlog.get_logger(__name__)

#: How long a request waits for another one with its key.
WAIT_SECONDS = 2.0
REPLAYED = "Idempotency-Replayed"

#: Returns when every event is durable; raises a RequestError when none is accepted.
Publish = Callable[[Sequence[tuple[str, Event]]], Awaitable[object]]
Perform = Callable[[], Awaitable[web.Response]]


class _Running(NamedTuple):
    """A request that is being handled; `done` is set when it has ended, whatever came of it."""

    body_hash: str
    done: asyncio.Event


class Idempotency:
    """Lets a request be performed once per key.

    `kept` has the answers of all workers. `catch_up` returns when it has all that were recorded before the call, or
    cannot in reasonable time; without it a key that another worker has just answered would be taken for a new one.
    """

    def __init__(
        self,
        *,
        kept: KeptAnswers,
        catch_up: Callable[[], Awaitable[object]],
        publish: Publish,
        answers: Answers,
        identity: Identity,
        clock: Clock,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._kept = kept
        self._catch_up = catch_up
        self._publish = publish
        self._answers = answers
        self._identity = identity
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._running: dict[str, _Running] = {}

    async def once(self, request: web.Request, perform: Perform) -> web.Response:
        """Return what `perform` returns, or what it returned under the request's key before; without a key perform.

        `perform` publishes and answers; all checks of the request come before. What it answers with a status below 500
        is kept.

        Raises:
            IdempotencyKeyReused: the key came before with another body.
            RequestInProgress: the first request with the key is still being handled after 2 s.
            RequestError: of `perform`, with a status of 500 and above.
        """
        context = context_of(request)
        scope = context.scope
        if scope is None:
            return await perform()
        digest, of_body = scope.digest(), body_hash(await read_bytes(request))
        await self._await_running(digest, of_body)
        kept = self._find(digest, of_body)
        if kept is not None:
            return _replay(context, kept)
        running = self._running[digest] = _Running(of_body, asyncio.Event())
        try:
            await self._catch_up()
            kept = self._find(digest, of_body)
            return await self._perform(context, scope, of_body, perform) if kept is None else _replay(context, kept)
        finally:
            del self._running[digest]
            running.done.set()

    def _find(self, digest: str, of_body: str) -> Answer | None:
        kept = self._kept.find(digest, self._clock.now_us())
        if kept is not None:
            _refuse_other_body(kept.body_hash, of_body)
        return kept

    async def _await_running(self, digest: str, of_body: str) -> None:
        """Return when no request with this key is being handled here."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                while running := self._running.get(digest):
                    _refuse_other_body(running.body_hash, of_body)
                    await running.done.wait()
        except TimeoutError as error:
            raise RequestInProgress("The first request with this idempotency key is still being handled") from error

    async def _perform(self, context: RequestContext, scope: Scope, of_body: str, perform: Perform) -> web.Response:
        try:
            response = await perform()
        except RequestError as error:
            if error.status >= 500:
                raise
            response = self._answers.failure(context, error)
        if response.status < 500:
            await self._record(context, scope, of_body, response)
        return response

    async def _record(self, context: RequestContext, scope: Scope, of_body: str, response: web.Response) -> None:
        """Tell all workers. The effect is there already, so a record that cannot be made fails nothing: without it the
        request would be handled anew under the same ids.
        """
        body = response.body
        answer = Answer(
            body_hash=of_body,
            status=response.status,
            body=body if isinstance(body, bytes) else b"",
            headers={name: value for name, value in response.headers.items() if name != "Content-Type"},
            correlation_id=context.correlation_id,
            time_us=self._clock.now_us(),
        )
        try:
            await self._publish([(HTTP_IDEMPOTENCY.name, to_event(scope, answer, context.trace_id, self._identity))])
        except RequestError as error:
            log.warning("idempotency_not_recorded", event_id=scope.event_id(), error=error.message)
        self._kept.put(scope.digest(), answer, self._clock.now_us())


def _refuse_other_body(known: str, given: str) -> None:
    if known != given:
        raise IdempotencyKeyReused("This idempotency key came before with another body")


def _replay(context: RequestContext, answer: Answer) -> web.Response:
    context.correlation_id = answer.correlation_id
    headers = {**answer.headers, "Content-Type": JSON_TYPE, REPLAYED: "true"}
    return web.Response(body=answer.body, status=answer.status, headers=headers)
