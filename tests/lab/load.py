"""Seeded events for the lab workers: the value is the JSON array of an event id and a number."""

import asyncio
import random
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson
from aiokafka import AIOKafkaProducer

LONGEST_OUTAGE_MS = 120_000


class Event(NamedTuple):
    """A record to be sent."""

    key: bytes
    value: bytes | None


def event(key: str, event_id: str, number: int) -> Event:
    return Event(key.encode(), orjson.dumps([event_id, number]))


def numbered(rng: random.Random, numbers: Iterable[int], *, keys: int, name: str = "e") -> Iterator[Event]:
    """Yield an event with the id `<name><number>` for each number, on random ones of `keys` keys."""
    for number in numbers:
        yield event(f"k{rng.randrange(keys)}", f"{name}{number}", number)


async def send(servers: str, topic: str, events: Iterable[Event], *, per_second: int | None = None) -> None:
    """Send the events in order, at most `per_second`; return when all are acknowledged, each once whatever befalls the
    broker meanwhile.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        enable_idempotence=True,
        linger_ms=5,
        max_batch_size=256 * 1024,
        max_request_size=4 * 1024 * 1024,
        request_timeout_ms=LONGEST_OUTAGE_MS,
    )
    await producer.start()
    try:
        started = time.monotonic()
        for number, one in enumerate(events):
            await producer.send(topic, key=one.key, value=one.value)
            if per_second and number % 100 == 0:
                await asyncio.sleep(max(0.0, started + number / per_second - time.monotonic()))
        await producer.flush()
    finally:
        await producer.stop()
