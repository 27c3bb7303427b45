"""The worker, put together: agents, tables and routes over the parts of `parts.py`.

`faust -A bridge_app worker` runs `app`. Nothing is connected when this module is imported; a wrong setting ends the
process with exit code 2 and one line that names the variable.
"""

import asyncio
import sys
import uuid
from typing import NoReturn

import uvloop

from agents import intelligence as intelligence_agents
from bridge_app import __version__, logs, topics
from bridge_app.clock import Clock, SystemClock
from bridge_app.domain.intelligence.detectors import DetectorConfig, Detectors
from bridge_app.domain.intelligence.immediate import analyse
from bridge_app.effects.pattern_history import PatternHistory
from bridge_app.errors import SettingsError
from bridge_app.events.envelope import Identity
from bridge_app.health import HEALTHY, SERVICE_NAME
from bridge_app.parts import Parts
from bridge_app.runtime.app import BridgeApp
from bridge_app.settings import Settings
from bridge_app.web import admin as admin_routes
from bridge_app.web import breakers as breaker_routes
from bridge_app.web import documents as document_routes
from bridge_app.web import health as health_routes
from bridge_app.web import hooks as hook_routes
from bridge_app.web import intelligence as intelligence_routes
from bridge_app.web import metrics as metrics_routes
from bridge_app.web.answers import Answers
from bridge_app.web.assembly import web_factory
from bridge_app.web.idempotency import Idempotency
from bridge_app.web.limits import Turns
from bridge_app.web.meter import create_meter
from tables import intelligence as intelligence_tables

#: How long a request with a new idempotency key may wait for what other workers have just answered.
CATCH_UP_SECONDS = 0.5
#: Hook posts in flight per `HOOK_WORKERS`.
HOOKS_PER_WORKER = 100


def create_app(settings: Settings, clock: Clock) -> BridgeApp:
    """Build the worker's app with all its agents, tables, services and routes. Nothing is started."""
    identity = Identity(SERVICE_NAME, __version__, settings.instance_id, settings.node_id, settings.environment)
    app = BridgeApp(settings, identity, clock=clock, logging_config=logs.configure(settings))
    app.declare(topics.CATALOGUE, co_partitioned=topics.CO_PARTITIONED)
    parts = Parts(app)
    _add_agents(app)
    parts.register()
    _add_routes(app, parts)
    return app


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


def _add_routes(app: BridgeApp, parts: Parts) -> None:
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
        kept=parts.answers.kept,
        catch_up=lambda: _catch_up(parts),
        publish=parts.publish_extra,
        answers=answers,
        identity=app.identity,
        clock=clock,
    )
    receiver = hook_routes.HookReceiver(
        answers=answers,
        publish=parts.publisher.publish,
        analyse=lambda event: analyse(event, parts.views),
        identity=app.identity,
        clock=clock,
        new_uuid=_new_uuid,
        idempotency=idempotency,
        turns=Turns(settings.hook_workers * HOOKS_PER_WORKER),
    )
    history = PatternHistory(parts.reads, topic=settings.topic(topics.INTELLIGENCE_PATTERNS.name))
    health_routes.register(app, parts.health, answers)
    metrics_routes.register(app, app.metrics)
    breaker_routes.register(app, parts.breakers, answers=answers, clock=clock, instance_id=settings.instance_id)
    hook_routes.register(app, receiver)
    intelligence_routes.register(
        app, view=parts.patterns.view, baselines=parts.baselines.view, history=history, answers=answers, clock=clock
    )
    admin_routes.register(
        app,
        admin_routes.Sources(
            parts.adapter, parts.lag.lags, lambda: parts.breakers["postgres"].snapshot().state, settings.topic
        ),
        answers,
    )
    document_routes.register(app, settings)


async def _catch_up(parts: Parts) -> None:
    """Let a worker learn what the others have just answered, unless Kafka is known to be away."""
    if parts.health.checks["kafka"].status == HEALTHY:
        await parts.answers.catch_up(CATCH_UP_SECONDS)


def _new_uuid() -> str:
    return str(uuid.uuid4())


def _refuse(error: SettingsError) -> NoReturn:
    sys.stderr.write(f"omninode-bridge: {error}\n")
    raise SystemExit(error.exit_code)


# Faust's worker makes its loop by the policy; without the `--loop` option this is where uvloop is chosen.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
# How long a busy agent keeps the threads of the outbox from running: 5 ms by default, many times for each window.
sys.setswitchinterval(0.001)
try:
    app = create_app(Settings.from_environ(), SystemClock())
except SettingsError as refused:
    _refuse(refused)
