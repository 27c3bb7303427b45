"""Every HTTP route of a worker, over its parts; each module of `web` registers those of its domain."""

from typing import cast

from bridge_app import ids, topics
from bridge_app.domain.hooks.reading import TOPICS as HOOK_TOPICS
from bridge_app.domain.intelligence.immediate import analyse
from bridge_app.effects.dead_letters import DeadLetters
from bridge_app.effects.hook_history import HookHistory
from bridge_app.effects.pattern_history import PatternHistory
from bridge_app.health import HEALTHY
from bridge_app.parts import Parts
from bridge_app.web import (
    admin,
    breakers,
    configuration,
    dead_letters,
    documents,
    feedback,
    health,
    hook_history,
    hooks,
    intelligence,
    operations,
)
from bridge_app.web import metrics as metrics_routes
from bridge_app.web.answers import Answers
from bridge_app.web.assembly import web_factory
from bridge_app.web.idempotency import Idempotency
from bridge_app.web.limits import Turns
from bridge_app.web.meter import create_meter
from bridge_app.web.server import BridgeWeb

#: How long a request with a new idempotency key may wait for what other workers have just answered.
CATCH_UP_SECONDS = 0.5
#: Hook posts in flight per `HOOK_WORKERS`.
HOOKS_PER_WORKER = 100


def register_routes(parts: Parts) -> None:
    """Add every route to the app of the parts, and the web server that serves them."""
    app, clock = parts.app, parts.app.clock
    answers = Answers(clock)
    app.new_web = web_factory(
        app.live,
        answers=answers,
        clock=clock,
        new_uuid=ids.random,
        stopping=lambda: app.stopping,
        halt=app.halt,
        outermost=[create_meter(app.metrics, clock.monotonic)],
    )
    history = PatternHistory(parts.reads, topic=app.topic_name(topics.INTELLIGENCE_PATTERNS.name))
    receiver = _receiver(parts, answers)
    hooks.register(app, receiver)
    hook_history.register(
        app,
        HookHistory(parts.reads, topics=[app.topic_name(topic) for topic in HOOK_TOPICS]),
        answers=answers,
        clock=clock,
    )
    intelligence.register(
        app, view=parts.patterns.view, baselines=parts.baselines.view, history=history, answers=answers, clock=clock
    )
    feedback.register(app, receiver, view=parts.patterns.view, history=history)
    letters = DeadLetters(parts.reads, parts.replays.send)
    dead_letters.register(app, letters, app.settings, answers=answers, clock=clock)
    _register_operation(parts, answers)


def _register_operation(parts: Parts, answers: Answers) -> None:
    app, clock, settings = parts.app, parts.app.clock, parts.app.settings
    health.register(app, parts.health, answers)
    metrics_routes.register(app, app.metrics)
    breakers.register(app, parts.breakers, answers=answers, clock=clock, instance_id=settings.instance_id)
    operations.register(
        app,
        parts.health,
        environment=settings.environment,
        connections=lambda: cast(BridgeWeb, app.web).connections,
        answers=answers,
        clock=clock,
    )
    postgres = parts.breakers["postgres"]
    sources = admin.Sources(parts.adapter, parts.lag.lags, lambda: postgres.snapshot().state, settings.topic)
    admin.register(app, sources, answers)
    configuration.register(
        app,
        parts.configuration,
        parts.watch,
        parts.writer,
        identity=app.identity,
        answers=answers,
        clock=clock,
    )
    documents.register(app, settings)


def _receiver(parts: Parts, answers: Answers) -> hooks.HookReceiver:
    app, clock = parts.app, parts.app.clock
    turns = Turns(lambda: app.live.now.hook_workers * HOOKS_PER_WORKER)
    app.metrics.hooks_in_flight.set_function(lambda: turns.taken)

    async def catch_up() -> None:
        """Learn what other workers have just answered, unless Kafka is known to be away."""
        if parts.health.checks["kafka"].status == HEALTHY:
            await parts.answers.catch_up(CATCH_UP_SECONDS)

    return hooks.HookReceiver(
        answers=answers,
        publish=parts.publisher.publish,
        analyse=lambda event: analyse(event, parts.views),
        identity=app.identity,
        clock=clock,
        new_uuid=ids.random,
        idempotency=Idempotency(
            kept=parts.answers.kept,
            catch_up=catch_up,
            publish=parts.publish_extra,
            answers=answers,
            identity=app.identity,
            clock=clock,
        ),
        turns=turns,
    )
