"""A worker that reads records as the bridge's agents do, and counts by key; with LAB_ADAPTER_READS=0 the topic is one
that the database adapter does not read, so that every bad record is this agent's to dead-letter.

A payload with `refuse` is one that the domain rejects. Run as `faust -A tests.lab.reading worker`.
"""

import os

from bridge_app.domain import Outcome
from bridge_app.errors import PoisonRecord
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Event
from bridge_app.runtime.step_agent import StepAgent
from tests.lab.app import TOPICS, new_app, observe


def step(_key: str, state: int | None, event: Event) -> Outcome[int]:
    if "refuse" in event.payload:
        raise PoisonRecord("INVALID_PAYLOAD", "told to refuse", {"path": "$.refuse"})
    return Outcome((state or 0) + 1)


app = new_app()
reads = app.state_table("reads", state_type=int, sources=TOPICS, help="how many events were read")
agent = StepAgent(
    app,
    name="read",
    topics=TOPICS,
    decode=decode,
    step=step,
    table=reads,
    adapter_reads=os.environ.get("LAB_ADAPTER_READS") != "0",
)
observe(agent)
