"""How long after its event a row is stored while events come at an even pace.

Every row says so itself: `stored_at`, the start of its transaction, minus the time at which the producer gave the event
to Kafka. So nobody is asked anything meanwhile. Each contestant first stores a burst, which warms it up and shows that
it is at work; then the pace begins, and counts when it has settled.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from tests.load.adapter_events import records
from tests.load.adapter_ways import Place, Way
from tests.load.report import markdown

RATE = 500
START_SECONDS = 180.0

_LAG = """
    SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP
        (ORDER BY 1000 * extract(epoch FROM stored_at - kafka_timestamp))
    FROM event_logs WHERE kafka_timestamp >= $1
"""


class Lag(NamedTuple):
    """Percentiles of one run, in milliseconds."""

    p50: float
    p95: float
    p99: float


class Schedule(NamedTuple):
    """A burst of so many events; then seconds at the pace that do not count, and those that do."""

    burst: int = 5_000
    settle: float = 2.0
    measured: float = 10.0


async def measure(way: Way, place: Place, schedule: Schedule) -> Lag:
    """Let a contestant follow a topic at `RATE` events per second.

    Raises:
        ContestFailed: it ended, or stored something else than was sent.
    """
    topic, burst = f"{place.mark}.paced", schedule.burst
    total = burst + round(RATE * (schedule.settle + schedule.measured))
    await place.broker.create(topic)
    async with way.follow(place, topic) as check:
        await place.broker.send(topic, records(way.record, 0, burst))
        await place.until_stored(range(burst), check, seconds=START_SECONDS)
        since = datetime.now(UTC) + timedelta(seconds=schedule.settle)
        await _pace(place.broker.servers, topic, way, range(burst, total))
        await place.until_stored(range(burst, total), check)
    await place.expect(total, way.name)
    return Lag(*await place.postgres.fetchval(_LAG, since))


async def _pace(servers: str, topic: str, way: Way, numbers: range) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        sent = []
        began = time.monotonic()
        for number in numbers:
            await asyncio.sleep(began + (number - numbers.start) / RATE - time.monotonic())
            key, value = way.record(number)
            sent.append(await producer.send(topic, value, key=key))
        await asyncio.gather(*sent)


def lag_table(lags: dict[str, list[Lag]], base: str) -> str:
    """Return a Markdown table: per contestant the median of each percentile with least and most, and the ratio of its
    median to that of `base`."""
    head = [f"lag at {RATE} events/s"]
    for label in Lag._fields:
        head += [f"{label} ms", f"× {base}"]
    return markdown([head, *([name, *_cells(runs, lags[base])] for name, runs in lags.items())])


def _cells(runs: Sequence[Lag], base: Sequence[Lag]) -> list[str]:
    cells = []
    for values, others in zip(zip(*runs, strict=True), zip(*base, strict=True), strict=True):
        cells.append(f"{median(values):.1f} ({min(values):.1f}–{max(values):.1f})")
        cells.append(f"{median(values) / median(others):.1f}")
    return cells
