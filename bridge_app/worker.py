"""The worker, put together: the only module that knows all parts.

`faust -A bridge_app worker` runs `app`. Nothing is connected when this module is imported; a wrong setting ends the
process with exit code 2 and one line that names the variable.
"""

import asyncio
import math
import sys
import uuid
from typing import Any, NoReturn

import structlog
import uvloop

from agents import intelligence as intelligence_agents
from agents.database_adapter import DatabaseAdapter
from bridge_app import __version__, logs, topics
from bridge_app.clock import Clock, SystemClock
from bridge_app.domain.idempotency import KeptAnswers
from bridge_app.domain.intelligence.detectors import StartConfig, StartDetectors
from bridge_app.domain.intelligence.immediate import analyse
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.effects.consul import ConsulRegistration
from bridge_app.effects.pattern_history import PatternHistory
from bridge_app.effects.postgres import Postgres
from bridge_app.effects.publisher import Publisher
from bridge_app.errors import PoisonRecord, SettingsError
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Identity
from bridge_app.events.record import Record
from bridge_app.health import HEALTHY, SERVICE_NAME, Facts, Health
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.view import TopicTail
from bridge_app.settings import Settings
from bridge_app.web import health as health_routes
from bridge_app.web import hooks as hook_routes
from bridge_app.web import intelligence as intelligence_routes
from bridge_app.web.answers import Answers
from bridge_app.web.assembly import web_factory
from bridge_app.web.idempotency import Idempotency
from bridge_app.web.limits import Turns
from tables import intelligence as intelligence_tables

#: How far back a worker reads patterns into its view when it starts, in seconds.
PATTERN_VIEW_SECONDS = 24 * 3600
#: How long a request with a new idempotency key may wait for what other workers have answered.
CATCH_UP_SECONDS = 0.5
#: Hook posts in flight per `HOOK_WORKERS`.
HOOKS_PER_WORKER = 100

log = structlog.get_logger(__name__)


def create_app(settings: Settings, clock: Clock) -> BridgeApp:
    """Build the worker's app with all its agents, tables, services and routes. Nothing is started."""
    identity = Identity(SERVICE_NAME, __version__, settings.instance_id, settings.node_id, settings.environment)
    app = BridgeApp(settings, identity, clock=clock, logging_config=logs.configure(settings))
    app.catalogue += topics.CATALOGUE
    app.catalogue += [
        topics.dead_letter_topic(topic, settings.kafka_dlq_suffix) for topic in topics.CATALOGUE if topic.dead_letters
    ]
    _add_parts(app)
    return app


def _add_parts(app: BridgeApp) -> None:
    settings, clock = app.settings, app.clock
    postgres = Postgres(settings)
    publisher = Publisher(settings)
    consul = ConsulRegistration(settings)
    adapter = DatabaseAdapter(settings, app.identity, postgres, clock)
    patterns = PatternView()
    tail = TopicTail(
        bootstrap_servers=app.bootstrap_servers,
        topic=settings.topic(topics.INTELLIGENCE_PATTERNS.name),
        apply=_into(patterns),
        clock=clock,
        since_seconds=PATTERN_VIEW_SECONDS,
    )
    kept_answers, answers_tail = _idempotency_view(app)
    _add_agents(app)
    health = Health(
        {"database": postgres.probe, "kafka": publisher.probe, **({"consul": consul.probe} if consul.enabled else {})},
        Facts(
            recovered=lambda: app.is_processing,
            caught_up=lambda: tail.caught_up and answers_tail.caught_up,
            stopping=lambda: app.stopping,
            stopped_agents=adapter.problems,
        ),
        instance_id=settings.instance_id,
        clock=clock,
        disabled=["outbox", *([] if consul.enabled else ["consul"])],
    )
    app.edge_services += [postgres, publisher, consul, health]
    app.inner_services += [tail, answers_tail, adapter]
    answers = Answers(clock)
    idempotency = Idempotency(
        kept=kept_answers,
        catch_up=lambda: _catch_up(answers_tail, health),
        publish=publisher.publish,
        answers=answers,
        identity=app.identity,
        clock=clock,
    )
    app.new_web = web_factory(
        settings, answers=answers, clock=clock, new_uuid=_new_uuid, stopping=lambda: app.stopping, halt=app.halt
    )
    _add_routes(app, health, publisher, patterns, postgres, answers, idempotency)


def _add_agents(app: BridgeApp) -> None:
    settings = app.settings
    detectors = StartDetectors(
        StartConfig(
            environment=settings.environment,
            cohort_window_seconds=settings.cohort_window_seconds,
            confirm_seconds=settings.startup_confirm_seconds,
            confidence_threshold=settings.confidence_threshold,
        )
    )
    intelligence_agents.observe(app, detectors)
    intelligence_agents.detect(app, detectors, intelligence_tables.series(app))


def _idempotency_view(app: BridgeApp) -> tuple[KeptAnswers, TopicTail]:
    settings, clock = app.settings, app.clock
    ttl_seconds = settings.idempotency_ttl_hours * 3600
    kept = KeptAnswers(ttl_seconds=ttl_seconds, most_keys=settings.idempotency_max_keys)

    def apply(record: Record) -> None:
        try:
            kept.apply(decode(record), clock.now_us())
        except (PoisonRecord, ValueError) as error:
            log.warning("idempotency_record_skipped", offset=record.offset, error=str(error))

    tail = TopicTail(
        bootstrap_servers=app.bootstrap_servers,
        topic=settings.topic(topics.HTTP_IDEMPOTENCY.name),
        apply=apply,
        clock=clock,
        since_seconds=math.ceil(ttl_seconds),
    )
    return kept, tail


async def _catch_up(tail: TopicTail, health: Health) -> None:
    """Let a worker learn what the others have just answered, unless Kafka is known to be away."""
    if health.checks["kafka"].status == HEALTHY:
        await tail.catch_up(CATCH_UP_SECONDS)


def _add_routes(
    app: BridgeApp,
    health: Health,
    publisher: Publisher,
    patterns: PatternView,
    postgres: Postgres,
    answers: Answers,
    idempotency: Idempotency,
) -> None:
    settings, clock = app.settings, app.clock
    receiver = hook_routes.HookReceiver(
        answers=answers,
        publish=publisher.publish,
        analyse=lambda event: analyse(event, patterns),
        identity=app.identity,
        clock=clock,
        new_uuid=_new_uuid,
        idempotency=idempotency,
        turns=Turns(settings.hook_workers * HOOKS_PER_WORKER),
    )
    history = PatternHistory(postgres, topic=settings.topic(topics.INTELLIGENCE_PATTERNS.name))
    health_routes.register(app, health, answers)
    hook_routes.register(app, receiver)
    intelligence_routes.register(app, view=patterns, history=history, answers=answers, clock=clock)


def _into(patterns: PatternView) -> Any:
    def apply(record: Record) -> None:
        try:
            patterns.apply(decode(record))
        except PoisonRecord:
            return  # the database adapter dead-letters it

    return apply


def _new_uuid() -> str:
    return str(uuid.uuid4())


def _refuse(error: SettingsError) -> NoReturn:
    sys.stderr.write(f"omninode-bridge: {error}\n")
    raise SystemExit(error.exit_code)


# Faust's worker makes its loop by the policy; without the `--loop` option this is where uvloop is chosen.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
try:
    app = create_app(Settings.from_environ(), SystemClock())
except SettingsError as refused:
    _refuse(refused)
