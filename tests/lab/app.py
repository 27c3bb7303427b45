"""What every lab worker is made of. Besides the bridge's own variables it reads:

LAB_TOPICS           source topics, separated by commas; all feed one table (lab.in)
LAB_SESSION          session timeout in seconds (6)
LAB_REQUEST_TIMEOUT  after how many seconds the producer gives a request up and tries again (40)
LAB_STEP_MICROS      how long each event takes, in microseconds (0)
LAB_RAISE_AT         number of the event at which the step raises (none)
LAB_STATE_VERSION    schema version of the table's state (1)
LAB_KILL_AT          phase of a step at which the process is killed, see `kill_points` (none)
LAB_KILL_STEP        at which time the phase is reached (1)
LAB_LOOP_DEAD        how long the event loop may be blocked, in seconds (45)
LAB_BLOCK_COMMITS    number of a partition that is never committed (none)
LAB_HANG_AT          number of the event at which the step hangs (none)
LAB_RESUME           if set, a topic that has stopped is resumed a moment later, as an operator would
LAB_STUCK            partition whose changelog is not sent while there is a file `stuck` in the data folder (none)
"""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson
import structlog
from faust.types import TP
from mode import Service

from bridge_app.events.envelope import Identity
from bridge_app.events.record import Record
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.batches import BatchMessage
from bridge_app.runtime.consumer import BatchConsumer
from bridge_app.runtime.loop_watch import LoopLimits
from bridge_app.runtime.step_agent import AnyStepAgent
from bridge_app.settings import Settings
from bridge_app.topics import Topic
from tests.lab import kill_points, stuck

log = structlog.get_logger(__name__)

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
        loop_limits=LoopLimits(dead=float(os.environ.get("LAB_LOOP_DEAD", "45"))),
        web_enabled=False,
        broker_client_id=settings.instance_id,
        producer_request_timeout=float(os.environ.get("LAB_REQUEST_TIMEOUT", "40")),
    )
    app.declare([*(Topic(name, None) for name in TOPICS), Topic(DERIVED, None, dead_letters=False)])
    app.inner_services.append(Report(app))
    return app


def observe(agent: AnyStepAgent) -> None:
    """Install what the environment asks for: kill point, stuck partition, blocked commits, a hung step, whoever
    resumes topics.
    """
    assert agent.table is not None
    if "LAB_BLOCK_COMMITS" in os.environ:
        block_commits(int(os.environ["LAB_BLOCK_COMMITS"]))
    if "LAB_HANG_AT" in os.environ:
        hang(agent, int(os.environ["LAB_HANG_AT"]))
    if "LAB_RESUME" in os.environ:
        agent.app.inner_services.append(Operator(agent))
    phase, partition = os.environ.get("LAB_KILL_AT"), os.environ.get("LAB_STUCK")
    if phase:
        kill_points.install(agent.table, phase, int(os.environ.get("LAB_KILL_STEP", "1")))
    if partition:
        stuck.install(agent.table, int(partition), agent.app.settings.data_dir / "stuck")


def block_commits(partition: int) -> None:
    """Keep the offsets of a partition from the broker, as a defect of the consumer would."""
    commit = BatchConsumer._commit

    async def without(self: BatchConsumer, offsets: Mapping[TP, int]) -> bool:
        passed_on = {tp: offset for tp, offset in offsets.items() if tp.partition != partition}
        return await commit(self, passed_on) if passed_on else True

    BatchConsumer._commit = without  # type: ignore[method-assign]


def hang(agent: AnyStepAgent, number: int) -> None:
    """Let a step with this event never end, as a call without a timeout would."""
    lanes = agent._lanes
    step = lanes._step

    async def hanging(message: BatchMessage, records: list[Record]) -> int | None:
        if any(orjson.loads(record.value or b"[0,null]")[1] == number for record in records):
            log.warning("step_hangs")
            await asyncio.Event().wait()
        return await step(message, records)

    lanes._step = hanging


def work(number: int) -> None:
    """Take the time that an event is told to take; raise at the event that is told to raise."""
    if number == RAISE_AT:
        raise RuntimeError(f"told to raise at {number}")
    if STEP_SECONDS:
        time.sleep(STEP_SECONDS)


class Operator(Service):
    """Resume topics that have stopped."""

    def __init__(self, agent: AnyStepAgent, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.agent = agent

    @Service.task
    async def _resume(self) -> None:
        while not self.should_stop:
            await self.sleep(0.5)
            for topic in list(self.agent.app.guard.stopped):
                await self.agent.resume(topic)


class Report(Service):
    """Leave what the agents counted in `report.json` in the data folder when the worker stops."""

    def __init__(self, app: BridgeApp, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app

    async def on_stop(self) -> None:
        counts = {agent.name: asdict(agent.counts) for agent in self.app.step_agents}
        (self.app.settings.data_dir / "report.json").write_bytes(orjson.dumps(counts))
