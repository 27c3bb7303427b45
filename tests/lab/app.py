"""What every lab worker is made of. Besides the bridge's own variables it reads:

LAB_TOPICS           source topics, separated by commas; all feed one table (lab.in)
LAB_SESSION          session timeout in seconds (6)
LAB_REQUEST_TIMEOUT  after how many seconds the producer gives a request up and tries again (40)
LAB_STEP_MICROS      how long each event takes, in microseconds (0)
LAB_RAISE_AT         number of the event at which the step raises (none)
LAB_STATE_VERSION    schema version of the table's state (1)
LAB_KILL_AT          phase of a step at which the process is killed, see `kill_points` (none)
LAB_KILL_STEP        at which time the phase is reached (1)
LAB_STUCK            partition whose changelog is not sent while there is a file `stuck` in the data folder (none)
"""

import os
import time
from dataclasses import asdict
from typing import Any

import orjson
import structlog
from mode import Service

from bridge_app.events.envelope import Identity
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.step_agent import AnyStepAgent
from bridge_app.settings import Settings
from bridge_app.topics import Topic, dead_letter_topic
from tests.lab import kill_points, stuck

TOPICS = os.environ.get("LAB_TOPICS", "lab.in").split(",")
DERIVED = "lab.out"
RAISE_AT = int(os.environ["LAB_RAISE_AT"]) if "LAB_RAISE_AT" in os.environ else None
STATE_VERSION = int(os.environ.get("LAB_STATE_VERSION", "1"))
STEP_SECONDS = int(os.environ.get("LAB_STEP_MICROS", "0")) / 1_000_000


def new_app() -> BridgeApp:
    """Return the application of a lab worker, its topics in the catalogue."""
    structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])
    settings = Settings.from_environ()
    app = BridgeApp(
        settings,
        Identity("lab", "0", settings.instance_id, settings.node_id, settings.environment),
        session_timeout=float(os.environ.get("LAB_SESSION", "6")),
        web_enabled=False,
        broker_client_id=settings.instance_id,
        producer_request_timeout=float(os.environ.get("LAB_REQUEST_TIMEOUT", "40")),
    )
    app.catalogue += [Topic(name, None) for name in [*TOPICS, DERIVED]]
    app.catalogue += [dead_letter_topic(Topic(name, None)) for name in TOPICS]
    app.inner_services.append(Report(app))
    return app


def observe(agent: AnyStepAgent) -> None:
    """Install the kill point and the stuck partition that the environment asks for."""
    assert agent.table is not None
    phase, partition = os.environ.get("LAB_KILL_AT"), os.environ.get("LAB_STUCK")
    if phase:
        kill_points.install(agent.table, phase, int(os.environ.get("LAB_KILL_STEP", "1")))
    if partition:
        stuck.install(agent.table, int(partition), agent.app.settings.data_dir / "stuck")


def work(number: int) -> None:
    """Take the time that an event is told to take; raise at the event that is told to raise."""
    if number == RAISE_AT:
        raise RuntimeError(f"told to raise at {number}")
    if STEP_SECONDS:
        time.sleep(STEP_SECONDS)


class Report(Service):
    """Leave what the agents counted in `report.json` in the data folder when the worker stops."""

    def __init__(self, app: BridgeApp, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app

    async def on_stop(self) -> None:
        counts = {agent.name: asdict(agent.counts) for agent in self.app.step_agents}
        (self.app.settings.data_dir / "report.json").write_bytes(orjson.dumps(counts))
