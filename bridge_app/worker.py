"""The worker, put together: agents, tables and routes over the services of `parts.py`.

`faust -A bridge_app worker` runs `app`. Nothing is connected when this module is imported; a wrong setting ends the
process with exit code 2 and one line that names the variable.
"""

import asyncio
import sys
from typing import NoReturn

import uvloop

from agents import intelligence as intelligence_agents
from bridge_app import __version__, logs, topics
from bridge_app.clock import Clock, SystemClock
from bridge_app.domain.intelligence.live_detectors import LiveDetectors
from bridge_app.errors import SettingsError
from bridge_app.events.envelope import Identity
from bridge_app.health import SERVICE_NAME
from bridge_app.parts import Parts
from bridge_app.routes import register_routes
from bridge_app.runtime.app import BridgeApp
from bridge_app.settings import Settings
from tables import intelligence as intelligence_tables


def create_app(settings: Settings, clock: Clock) -> BridgeApp:
    """Build the worker's app with all its agents, tables, services and routes. Nothing is started."""
    identity = Identity(SERVICE_NAME, __version__, settings.instance_id, settings.node_id, settings.environment)
    app = BridgeApp(settings, identity, clock=clock, logging_config=logs.configure(settings))
    app.declare(topics.CATALOGUE, co_partitioned=topics.CO_PARTITIONED)
    parts = Parts(app)
    _add_agents(app)
    parts.register()
    app.live.on_change(lambda settings: logs.set_level(settings.log_level))
    register_routes(parts)
    return app


def _add_agents(app: BridgeApp) -> None:
    detectors = LiveDetectors(app.live)
    intelligence_agents.observe(app, detectors)
    intelligence_agents.detect(app, detectors, intelligence_tables.series(app))


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
