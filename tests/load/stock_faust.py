"""Stock Faust: an agent that reads and writes a table, as its documentation has it.

Run as `faust --loop uvloop -A tests.load.stock_faust worker`. Keys and values are raw bytes, which spares it the JSON
that its tables use by default.
"""

import asyncio
from typing import Any

import faust

from tests.load import workload
from tests.load.job import Job, Stopwatch

POLL_SECONDS = 0.005

#: Public settings that were measured to help.
TUNED: dict[str, Any] = {
    "stream_buffer_maxsize": 65536,
    "stream_publish_on_commit": False,
    "stream_wait_empty": False,
    "broker_commit_every": 100_000,
    "producer_linger": 0.005,
    "producer_max_batch_size": 256 * 1024,
}

job = Job.from_environ()
watch = Stopwatch(job)
last_seen = asyncio.Event()

app = faust.App(
    job.app_id,
    broker=f"kafka://{job.servers}",
    store="rocksdb://",
    datadir=job.data_dir,
    topic_partitions=workload.PARTITIONS,
    topic_disable_leader=True,
    table_standby_replicas=0,
    producer_acks=-1,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
    **(TUNED if job.tuned else {}),
)
source = app.topic(job.topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
totals = app.Table("totals", key_type=bytes, value_type=bytes)


@app.agent(source)
async def total(stream: faust.StreamT[bytes]) -> None:
    async for key, value in stream.items():
        done = watch.count()
        event = workload.decode(value)
        known = totals.get(key)
        after = workload.add(None if known is None else workload.decode_total(known), event)
        totals[key] = workload.encode_total(after)
        if done:
            last_seen.set()


async def finish() -> None:
    """Stop the watch when the last changelog record is sent and the offsets are committed."""
    await last_seen.wait()
    await app.sleep(POLL_SECONDS)
    await app.producer.flush()
    await app.consumer.commit()
    watch.finish()


app.task(finish)

if job.recover:

    @app.on_partitions_assigned.connect
    def assigned(*_args: Any, **_kwargs: Any) -> None:
        watch.start()

    @totals.on_recover
    async def recovered() -> None:
        watch.finish(totals)
