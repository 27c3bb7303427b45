"""Two ways to make rows of a topic's events: the bridge's database adapter, and with `--plain` a hand-written consumer.

Both write batches of 1,000 with the same statement, and commit behind them. The hand-written one maps nothing: it knows
where each column stands in the JSON, has no other table, no dead letters and no answer to any failure. Run as
`python -m tests.load.adapter_job`.
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer

from agents.database_adapter import DatabaseAdapter
from bridge_app.clock import SystemClock
from bridge_app.domain.database_adapter.rows import EVENT_LOGS
from bridge_app.domain.database_adapter.tally import Status
from bridge_app.effects.postgres import Postgres
from bridge_app.effects.statements import insert
from bridge_app.events.envelope import Identity
from bridge_app.settings import Settings
from tests.load.job import Job, Stopwatch

POLL_SECONDS = 0.005
START_SECONDS = 30


async def bridge(job: Job, watch: Stopwatch, settings: Settings, postgres: Postgres) -> None:
    adapter = DatabaseAdapter(settings, Identity("load", "0", "load", "load", "load"), postgres, SystemClock())
    await adapter.start()
    await until(lambda: adapter.status is Status.RUNNING)
    watch.start()
    await until(lambda: adapter.snapshot()["total_events"] >= job.events)


async def plain(job: Job, watch: Stopwatch, settings: Settings, postgres: Postgres) -> None:
    connection = await postgres.connect("plain", synchronous_commit="on")
    consumer = AIOKafkaConsumer(
        job.topic,
        bootstrap_servers=job.servers,
        group_id=job.app_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    await until(lambda: bool(consumer.assignment()))
    watch.start()
    stored = 0
    while stored < job.events:
        fetched = await consumer.getmany(timeout_ms=1000, max_records=settings.adapter_batch_size)
        rows = [_row(record) for records in fetched.values() for record in records]
        if rows:
            await connection.execute(insert(EVENT_LOGS), *zip(*rows, strict=True))
            await consumer.commit()
        stored += len(rows)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 (what is watched tells nobody, and the clock of a benchmark is fine)
        await asyncio.sleep(POLL_SECONDS)


def _row(record: Any) -> tuple[Any, ...]:
    event = orjson.loads(record.value)
    return (
        event["event_id"],
        event["payload"]["session_id"],
        event["correlation_id"],
        None,
        event["event_type"],
        record.topic,
        record.partition,
        record.offset,
        record.key.decode(),
        datetime.fromisoformat(event["timestamp"]),
        datetime.fromtimestamp(record.timestamp / 1000, UTC),
        None,
        orjson.dumps(event["payload"]).decode(),
        "{}",
    )


async def main() -> None:
    job = Job.from_environ()
    watch = Stopwatch(job)
    settings = Settings.from_environ()
    postgres = Postgres(settings)
    await postgres.start()
    await asyncio.wait_for(postgres.ready.wait(), START_SECONDS)
    await (plain if "--plain" in sys.argv else bridge)(job, watch, settings, postgres)
    watch.finish()


if __name__ == "__main__":
    uvloop.run(main())
