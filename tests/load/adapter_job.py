"""Ways to make rows of a topic's events: the bridge's database adapter, and consumers written by hand.

    (nothing)       the adapter
    --statement     batches of 1,000, each one statement: the adapter's
    --rows          as many fetched at once, but each event its own statement and its own transaction
    --copy          batches of 1,000, each one COPY: an event that comes again ends it

Whoever wrote a batch commits its offsets behind it. Those written by hand map nothing: they know where each column
stands in the JSON, have no other table, no dead letters and no answer to any failure. Run as
`python -m tests.load.adapter_job`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
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

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Rows: TypeAlias = list[tuple[Any, ...]]
Write: TypeAlias = Callable[[Connection, Rows], Awaitable[None]]

COLUMNS = [column.name for column in EVENT_LOGS.columns]
QUOTED = '"{}"'.format
INSERT_ONE = (
    f"INSERT INTO {EVENT_LOGS.name} ({', '.join(map(QUOTED, COLUMNS))}) "
    f"VALUES ({', '.join(f'${number}' for number, _ in enumerate(COLUMNS, start=1))}) ON CONFLICT DO NOTHING"
)
POLL_SECONDS = 0.005
START_SECONDS = 30


async def bridge(job: Job, watch: Stopwatch, settings: Settings, postgres: Postgres) -> None:
    adapter = DatabaseAdapter(settings, Identity("load", "0", "load", "load", "load"), postgres, SystemClock())
    await adapter.start()
    await until(lambda: adapter.status is Status.RUNNING)
    watch.start()
    await until(lambda: adapter.snapshot()["total_events"] >= job.events)


async def by_hand(job: Job, watch: Stopwatch, settings: Settings, postgres: Postgres, write: Write) -> None:
    connection = await postgres.connect("by-hand", synchronous_commit="on")
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
            await write(connection, rows)
            await consumer.commit()
        stored += len(rows)


async def statement(connection: Connection, rows: Rows) -> None:
    await connection.execute(insert(EVENT_LOGS), *zip(*rows, strict=True))


async def one_by_one(connection: Connection, rows: Rows) -> None:
    for row in rows:
        await connection.execute(INSERT_ONE, *row)


async def copy(connection: Connection, rows: Rows) -> None:
    await connection.copy_records_to_table(EVENT_LOGS.name, records=rows, columns=COLUMNS)


WRITERS: dict[str, Write] = {"--statement": statement, "--rows": one_by_one, "--copy": copy}


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
    if sys.argv[1:]:
        await by_hand(job, watch, settings, postgres, WRITERS[sys.argv[1]])
    else:
        await bridge(job, watch, settings, postgres)
    watch.finish()


if __name__ == "__main__":
    uvloop.run(main())
