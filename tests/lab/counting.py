"""A worker that counts: per key the number of events and the sum of their values, with one derived event per event.

Run as `faust -A tests.lab.counting worker`. Besides the bridge's own variables it reads:

    LAB_TOPICS        source topics, separated by commas; all feed one table
    LAB_RAISE_AT      value of the event at which the step raises (none)
    LAB_SESSION       session timeout in seconds (6)
"""

import os
from typing import NamedTuple

import msgspec
import structlog

from bridge_app.domain import Outcome
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Cause, Derived, Identity
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.batches import Record
from bridge_app.runtime.step_agent import StepAgent
from bridge_app.settings import Settings
from bridge_app.topics import Topic

TOPICS = os.environ.get("LAB_TOPICS", "lab.in").split(",")
DERIVED = "lab.out"
EVENT_TIME_US = 4_102_444_800_000_000  # in 2100: the record's own time must be one that brokers take
RAISE_AT = int(os.environ.get("LAB_RAISE_AT", "-1"))


class Count(msgspec.Struct, array_like=True):
    """What is kept per key."""

    events: int
    total: int


class Number(NamedTuple):
    """An input event: its id and a number."""

    event_id: str
    n: int


_decoder = msgspec.json.Decoder(Number)


def decode(record: Record) -> Number:
    try:
        return _decoder.decode(record.value or b"")
    except msgspec.MsgspecError as error:
        raise PoisonRecord("INVALID_JSON", str(error)) from error


def step(key: str, state: Count | None, event: Number) -> Outcome[Count]:
    """Count an event and derive one."""
    if event.n == RAISE_AT:
        raise RuntimeError(f"told to raise at {event.n}")
    before = state or Count(0, 0)
    after = Count(before.events + 1, before.total + event.n)
    cause = Cause(event.event_id, EVENT_TIME_US, "lab", "0" * 32)
    derived = Derived(topic=DERIVED, event_type="lab.counted", key=key, payload={"n": event.n}, cause=cause)
    return Outcome(after, [derived])


structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])
settings = Settings.from_environ()
identity = Identity("lab", "0", settings.instance_id, settings.node_id, settings.environment)
app = BridgeApp(settings, identity, session_timeout=float(os.environ.get("LAB_SESSION", "6")), web_enabled=False)
app.catalogue += [Topic(name, None) for name in [*TOPICS, DERIVED]]
counts = app.state_table("counts", state_type=Count, sources=TOPICS, help="events and their sum, by key")
agent = StepAgent(app, name="count", topics=TOPICS, decode=decode, step=step, table=counts)
