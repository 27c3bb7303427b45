"""A worker that sets alarms: an event sets its key's alarm, a tick rings every alarm whose time has come.

The number of an event is the alarm's time, in microseconds since the epoch. An alarm of an odd number is forgotten when
it has rung, one of an even number stays and is silent. Run as `faust -A tests.lab.timing worker`.
"""

from typing import NamedTuple

import msgspec

from bridge_app.domain import Outcome
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.record import Record
from bridge_app.runtime.step_agent import StepAgent, Timers
from bridge_app.runtime.ticks import TICK_TYPE, Ticker
from bridge_app.timestamps import parse_us
from tests.lab.app import DERIVED, TOPICS, new_app, observe, work


class Alarm(msgspec.Struct, array_like=True):
    """What is kept per key: when it rings (None: it has), how often it rang, who set it."""

    due: int | None
    rang: int
    set_by: str


class Setting(NamedTuple):
    """An input event: its id and the alarm's time; a tick has no id."""

    event_id: str
    n: int


class TickValue(msgspec.Struct):
    """What a tick holds."""

    event_type: str
    event_timestamp: str


_decoder = msgspec.json.Decoder(Setting | TickValue)


def decode(record: Record) -> Setting:
    try:
        value = _decoder.decode(record.value or b"")
    except msgspec.MsgspecError as error:
        raise PoisonRecord("INVALID_JSON", str(error)) from error
    return value if isinstance(value, Setting) else Setting(TICK_TYPE, parse_us(value.event_timestamp))


def tick_us(event: Setting) -> int | None:
    return event.n if event.event_id == TICK_TYPE else None


def step(key: str, state: Alarm | None, event: Setting) -> Outcome[Alarm]:
    """Set the key's alarm."""
    work(event.n)
    return Outcome(Alarm(event.n, state.rang if state else 0, event.event_id))


def due(state: Alarm) -> int | None:
    return state.due


def elapse(key: str, state: Alarm, now: int) -> Outcome[Alarm]:
    """Ring."""
    assert state.due is not None
    cause = Cause(state.set_by, state.due, "lab", "0" * 32)
    rings = Derived(topic=DERIVED, event_type="lab.rang", key=key, payload={"due": state.due}, cause=cause)
    after = None if state.due % 2 else Alarm(None, state.rang + 1, state.set_by)
    return Outcome(after, [rings])


app = new_app()
alarms = app.state_table("alarms", state_type=Alarm, sources=TOPICS, help="one alarm per key")
timers = Timers(tick_us=tick_us, due=due, elapse=elapse)
agent = StepAgent(app, name="ring", topics=TOPICS, decode=decode, step=step, table=alarms, timers=timers)
app.inner_services += [Ticker(app, app.topic_name(topic), app.clock) for topic in TOPICS]
observe(agent)
