"""A worker that counts: per key the number of events and the sum of their numbers, with one derived event per event.

A negative number forgets the key. Run as `faust -A tests.lab.counting worker`; see `tests.lab.app` for its variables.
"""

from typing import NamedTuple

import msgspec

from bridge_app.domain import Outcome
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.record import Record
from bridge_app.runtime.step_agent import StepAgent
from tests.lab.app import DERIVED, STATE_VERSION, TOPICS, new_app, observe, work

EVENT_TIME_US = 4_102_444_800_000_000  # in 2100: the record's own time must be one that brokers take


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
    work(event.n)
    before = state or Count(0, 0)
    after = None if event.n < 0 else Count(before.events + 1, before.total + event.n)
    cause = Cause(event.event_id, EVENT_TIME_US, "lab", "0" * 32)
    payload = {"events": before.events, "n": event.n}
    return Outcome(after, [Derived(topic=DERIVED, event_type="lab.counted", key=key, payload=payload, cause=cause)])


app = new_app()
counts = app.state_table("counts", state_type=Count, sources=TOPICS, version=STATE_VERSION, help="events and their sum")
agent = StepAgent(app, name="count", topics=TOPICS, decode=decode, step=step, table=counts)
observe(agent)
