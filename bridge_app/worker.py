"""The worker, put together: the only module that knows all parts.

`faust -A bridge_app worker` runs `app`. Nothing is connected when this module is imported; a wrong setting ends the
process with exit code 2 and one line that names the variable.
"""

import asyncio
import re
import sys
import uuid
from functools import partial
from typing import Any, NoReturn, cast

import uvloop

from agents import intelligence as intelligence_agents
from agents.database_adapter import DatabaseAdapter
from bridge_app import __version__, logs, topics
from bridge_app.clock import Clock, SystemClock
from bridge_app.domain.database_adapter.subscription import Subscription
from bridge_app.domain.hooks.reading import TOPICS as HOOK_TOPICS
from bridge_app.domain.intelligence.baselines import BaselineView
from bridge_app.domain.intelligence.detectors import DetectorConfig, Detectors
from bridge_app.domain.intelligence.immediate import Views, analyse
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.effects.alarms import Alarms
from bridge_app.effects.answer_log import AnswerLog
from bridge_app.effects.breakers import Breakers
from bridge_app.effects.consul import ConsulRegistration
from bridge_app.effects.dead_letters import DeadLetters
from bridge_app.effects.guarded_reads import GuardedReads
from bridge_app.effects.hook_history import HookHistory
from bridge_app.effects.lag_meter import Group, LagMeter
from bridge_app.effects.outbox.condition import Limits
from bridge_app.effects.outbox.outbox import Outbox
from bridge_app.effects.pattern_history import PatternHistory
from bridge_app.effects.postgres import Postgres
from bridge_app.effects.publisher import Publisher
from bridge_app.effects.replay_sender import ReplaySender
from bridge_app.errors import PoisonRecord, SettingsError
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Identity
from bridge_app.events.record import Record
from bridge_app.health import HEALTHY, SERVICE_NAME, Facts, Health, OutboxState
from bridge_app.kafka_clients import client_options
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.view import TopicTail
from bridge_app.runtime.watchdog import Watched
from bridge_app.settings import Settings
from bridge_app.web import breakers as breaker_routes
from bridge_app.web import dead_letters as dead_letter_routes
from bridge_app.web import documents as document_routes
from bridge_app.web import feedback as feedback_routes
from bridge_app.web import health as health_routes
from bridge_app.web import hook_history as hook_history_routes
from bridge_app.web import hooks as hook_routes
from bridge_app.web import intelligence as intelligence_routes
from bridge_app.web import metrics as metrics_routes
from bridge_app.web import operations as operation_routes
from bridge_app.web.answers import Answers
from bridge_app.web.assembly import web_factory
from bridge_app.web.idempotency import Idempotency
from bridge_app.web.limits import Turns
from bridge_app.web.meter import create_meter
from bridge_app.web.server import BridgeWeb
from tables import intelligence as intelligence_tables

#: How far back a worker reads patterns into its view when it starts, in seconds.
PATTERN_VIEW_SECONDS = 24 * 3600
#: How long a request with a new idempotency key may wait for what other workers have just answered.
CATCH_UP_SECONDS = 0.5
#: Hook posts in flight per `HOOK_WORKERS`.
HOOKS_PER_WORKER = 100


def create_app(settings: Settings, clock: Clock) -> BridgeApp:
    """Build the worker's app with all its agents, tables, services and routes. Nothing is started."""
    identity = Identity(SERVICE_NAME, __version__, settings.instance_id, settings.node_id, settings.environment)
    app = BridgeApp(settings, identity, clock=clock, logging_config=logs.configure(settings))
    app.declare(topics.CATALOGUE, co_partitioned=topics.CO_PARTITIONED)
    _add_parts(app)
    return app


def _add_parts(app: BridgeApp) -> None:
    settings, clock = app.settings, app.clock
    postgres = Postgres(settings)
    alarms = Alarms(lambda events: publisher.publish(events, is_extra=True), app.identity, clock)
    app.raise_alarm = alarms.report
    breakers = Breakers(settings.breakers, metrics=app.metrics, alarms=alarms, clock=clock)
    outbox = Outbox(
        settings.data_dir / "outbox",
        Limits(settings.outbox_max_events, settings.outbox_max_bytes),
        clock=clock,
        alarms=alarms,
    )
    publisher = Publisher(settings, app.metrics, breaker=breakers["kafka"], outbox=outbox, clock=clock, halt=app.halt)
    consul = ConsulRegistration(settings, breakers["consul"])
    adapter = DatabaseAdapter(settings, app.identity, postgres, clock, metrics=app.metrics, alarms=alarms)
    views = Views(PatternView(), BaselineView())
    tail = TopicTail(
        client_options=client_options(settings),
        topic=settings.topic(topics.INTELLIGENCE_PATTERNS.name),
        apply=_into(views.patterns),
        clock=clock,
        since_seconds=PATTERN_VIEW_SECONDS,
    )
    baseline_tail = TopicTail(
        client_options=client_options(settings),
        topic=settings.topic(topics.INTELLIGENCE_BASELINES.name),
        apply=_into_baselines(views.baselines),
        clock=clock,
    )
    answer_log = AnswerLog(settings, clock)
    _add_agents(app)
    health = Health(
        {
            "database": postgres.probe,
            "kafka": publisher.probe,
            "outbox": publisher.probe_outbox,
            **({"consul": consul.probe} if consul.enabled else {}),
        },
        Facts(
            recovered=lambda: app.is_processing,
            caught_up=lambda: tail.caught_up and baseline_tail.caught_up and answer_log.caught_up,
            stopping=lambda: app.stopping,
            stopped_agents=lambda: [*app.problems(), *adapter.problems()],
            outbox=lambda: OutboxState(outbox.pending, outbox.full_reason, outbox.unwritable_reason),
        ),
        instance_id=settings.instance_id,
        clock=clock,
        disabled=[] if consul.enabled else ["consul"],
        breakers={"database": breakers["postgres"], "kafka": breakers["kafka"], "consul": breakers["consul"]},
    )
    # The outbox, which the publisher opens, comes first: without it the worker must not take anything.
    app.edge_services += [publisher, alarms, postgres, consul, health]
    app.inner_services += [tail, baseline_tail, answer_log, adapter]
    app.watched.append(Watched(settings.adapter_group, adapter.moving))
    _add_meters(app)
    reads = GuardedReads(postgres, breakers["postgres"], app.metrics, clock)
    _add_routes(app, health, publisher, views, reads, breakers, answer_log)


def _add_meters(app: BridgeApp) -> None:
    settings = app.settings
    stored = Subscription(settings.topic, settings.kafka_dlq_suffix, settings.adapter_extra_topics)

    def groups() -> list[Group]:
        topics = sorted({topic for agent in app.step_agents for topic in agent.topics})
        return [
            Group("agents", settings.app_id, "|".join(map(re.escape, topics))),
            Group("adapter", settings.adapter_group, stored.pattern),
        ]

    app.inner_services.append(LagMeter(settings, groups, app.metrics, app.clock.monotonic))


def _add_agents(app: BridgeApp) -> None:
    settings = app.settings
    detectors = Detectors(
        DetectorConfig(
            environment=settings.environment,
            cohort_window_seconds=settings.cohort_window_seconds,
            confirm_seconds=settings.startup_confirm_seconds,
            confidence_threshold=settings.confidence_threshold,
            cooldown_seconds=settings.anomaly_cooldown_seconds,
        )
    )
    intelligence_agents.observe(app, detectors)
    intelligence_agents.detect(app, detectors, intelligence_tables.series(app))


def _add_routes(
    app: BridgeApp,
    health: Health,
    publisher: Publisher,
    views: Views,
    reads: GuardedReads,
    breakers: Breakers,
    answer_log: AnswerLog,
) -> None:
    settings, clock = app.settings, app.clock
    answers = Answers(clock)
    app.new_web = web_factory(
        settings,
        answers=answers,
        clock=clock,
        new_uuid=_new_uuid,
        stopping=lambda: app.stopping,
        halt=app.halt,
        outermost=[create_meter(app.metrics, clock.monotonic)],
    )
    idempotency = Idempotency(
        kept=answer_log.kept,
        catch_up=lambda: _catch_up(answer_log, health),
        # The effect has been accepted: there must be room for its record.
        publish=partial(publisher.publish, is_extra=True),
        answers=answers,
        identity=app.identity,
        clock=clock,
    )
    receiver = hook_routes.HookReceiver(
        answers=answers,
        publish=publisher.publish,
        analyse=lambda event: analyse(event, views),
        identity=app.identity,
        clock=clock,
        new_uuid=_new_uuid,
        idempotency=idempotency,
        turns=Turns(settings.hook_workers * HOOKS_PER_WORKER),
    )
    history = PatternHistory(reads, topic=settings.topic(topics.INTELLIGENCE_PATTERNS.name))
    health_routes.register(app, health, answers)
    operation_routes.register(
        app,
        health,
        environment=settings.environment,
        connections=lambda: cast(BridgeWeb, app.web).connections,
        answers=answers,
        clock=clock,
    )
    metrics_routes.register(app, app.metrics)
    breaker_routes.register(app, breakers, answers=answers, clock=clock, instance_id=settings.instance_id)
    hook_routes.register(app, receiver)
    hook_history = HookHistory(reads, topics=[settings.topic(topic) for topic in HOOK_TOPICS])
    hook_history_routes.register(app, hook_history, answers=answers, clock=clock)
    feedback_routes.register(app, receiver, view=views.patterns, history=history)
    replays = ReplaySender(settings, breakers["kafka"])
    app.edge_services.append(replays)
    dead_letter_routes.register(app, DeadLetters(reads, replays.send), settings, answers=answers, clock=clock)
    document_routes.register(app, settings)
    intelligence_routes.register(
        app, view=views.patterns, baselines=views.baselines, history=history, answers=answers, clock=clock
    )


async def _catch_up(answer_log: AnswerLog, health: Health) -> None:
    """Let a worker learn what the others have just answered, unless Kafka is known to be away."""
    if health.checks["kafka"].status == HEALTHY:
        await answer_log.catch_up(CATCH_UP_SECONDS)


def _into(patterns: PatternView) -> Any:
    def apply(record: Record) -> None:
        try:
            patterns.apply(decode(record))
        except PoisonRecord:
            return  # the database adapter dead-letters it

    return apply


def _into_baselines(baselines: BaselineView) -> Any:
    def apply(record: Record) -> None:
        if record.value is None:
            baselines.forget((record.key or b"").decode(errors="replace"))
            return
        try:
            baselines.apply(decode(record))
        except PoisonRecord:
            return  # nobody else writes to this topic: a stray record is passed over

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
