"""The bridge: a step agent with a state table, as every agent of the bridge is one.

Run as `faust --loop uvloop -A tests.load.bridge_step worker`.
"""

import asyncio
from typing import Any

import msgspec

from bridge_app.domain import Outcome
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Identity
from bridge_app.events.record import Record
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.step_agent import StepAgent
from bridge_app.settings import Settings
from bridge_app.topics import Topic
from tests.load import workload
from tests.load.job import Job, Stopwatch

POLL_SECONDS = 0.005

job = Job.from_environ()
watch = Stopwatch(job)
last_seen = asyncio.Event()


def decode(record: Record) -> workload.ToolExecution:
    try:
        event = workload.decode(record.value or b"")
    except msgspec.MsgspecError as error:
        raise PoisonRecord("INVALID_JSON", str(error)) from error
    if watch.count():
        last_seen.set()
    return event


def step(key: str, state: workload.Total | None, event: workload.ToolExecution) -> Outcome[workload.Total]:
    return Outcome(workload.add(state, event))


settings = Settings.from_environ(
    {
        "KAFKA_BOOTSTRAP_SERVERS": job.servers,
        "KAFKA_CONSUMER_GROUP": job.app_id,
        "BRIDGE_DATA_DIR": job.data_dir,
    }
)
app = BridgeApp(settings, Identity("load", "0", "load", "load", "load"), web_enabled=False)
app.catalogue.append(Topic(job.topic, None))
totals = app.state_table("totals", state_type=workload.Total, sources=[job.topic], help="events and their sum, by key")
StepAgent(app, name="total", topics=[job.topic], decode=decode, step=step, table=totals)


async def finish() -> None:
    """Stop the watch when the last step is done and its offsets are committed."""
    await last_seen.wait()
    books = app.consumer.books
    sources = [tp for tp in app.consumer.assignment() if tp.topic == job.topic]
    while books.committable() or any(books.unfinished(tp) for tp in sources):
        await app.consumer.commit()
        await app.sleep(POLL_SECONDS)
    watch.finish()


app.task(finish)

if job.recover:

    @app.on_partitions_assigned.connect
    def assigned(*_args: Any, **_kwargs: Any) -> None:
        watch.start()

    @totals.on_recover
    async def recovered() -> None:
        watch.finish(row for partition in range(job.partitions) for row in totals.scan(partition))
