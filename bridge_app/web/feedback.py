"""POST /intelligence/patterns/{pattern_id}/feedback (intelligence §8)."""

from typing import Any

import faust
import msgspec
from aiohttp import web

from bridge_app.domain.hooks import Arrival
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.events.envelope import Event
from bridge_app.events.feedback import read_feedback
from bridge_app.events.intelligence import FEEDBACK, Feedback, Pattern
from bridge_app.topics import INTELLIGENCE_OBSERVATIONS
from bridge_app.web.api import intelligence as api
from bridge_app.web.api.operation import describe
from bridge_app.web.bodies import read_json
from bridge_app.web.context import context_of
from bridge_app.web.hook_batches import Desk
from bridge_app.web.intelligence import History, find_pattern
from bridge_app.web.views import View


def register(app: faust.App, desk: Desk, *, view: PatternView, history: History) -> None:
    """Add the route. It changes nothing itself: the owner of the pattern's series applies what it publishes."""

    @app.page("/intelligence/patterns/{pattern_id}/feedback")
    class PatternFeedback(View):
        """Somebody says whether a pattern is one."""

        @describe(api.FEEDBACK)
        async def post(self, request: web.Request, pattern_id: str) -> web.Response:
            verdict, comment = read_feedback(await read_json(request))
            pattern = (await find_pattern(pattern_id, view, history)).pattern
            event = _event(pattern, verdict, comment, desk.arrival(context_of(request)))

            async def publish_and_answer() -> web.Response:
                is_published = await desk.publish([(INTELLIGENCE_OBSERVATIONS.name, event)])
                data = {"pattern_id": pattern.pattern_id, "verdict": verdict, "event_published": is_published}
                return desk.answers.success(request, data)

            return await desk.idempotency.once(request, publish_and_answer)


def _event(pattern: Pattern, verdict: Any, comment: str | None, arrival: Arrival) -> Event:
    """Return the root event, keyed by the series; a pattern of another producer has none and stands for itself."""
    identity = arrival.identity
    payload = msgspec.to_builtins(
        Feedback(uuid=pattern.uuid, verdict=verdict, comment=comment, pattern=pattern.as_dict())
    )
    return Event(
        event_id=arrival.event_id,
        event_type=FEEDBACK,
        time_us=arrival.time_us,
        correlation_id=arrival.correlation_id or arrival.own_correlation_id,
        trace_id=arrival.trace_id,
        partition_key=pattern.series or pattern.uuid,
        environment=identity.environment if identity else "",
        source=identity.as_source() if identity else {},
        source_node_id=identity.node_id if identity else None,
        payload=payload,
        metadata={"auth_id": arrival.auth_id},
    )
