"""The broker goes away and comes back: what callers are told, and what arrives (resilience §3, conventions §10)."""

import asyncio
import time
from datetime import datetime

import pytest

from tests.integration.outbox.outage import Outage, numbers
from tests.lab.waiting import eventually

pytestmark = pytest.mark.timeout(240)


async def is_replayed(outage: Outage) -> bool:
    return await outage.pending() == 0


async def test_resilience_03_few_hooks_wait_for_a_stopped_broker_then_all_are_buffered_at_once(
    outage: Outage,
) -> None:
    await outage.kafka.start()
    await outage.start()
    await outage.kafka.stop()

    answers = [await outage.post(number) for number in range(20)]

    assert {answer.status for answer in answers} == {200}
    waited = [answer.seconds for answer in answers if answer.seconds > 0.5]
    assert len(waited) <= 5
    assert max(waited, default=0.0) <= 2.1
    await eventually(lambda: outage.logged("breaker_changed", state="open") != [], "the breaker opens")
    fastest = min([(await outage.post(number)).seconds for number in range(20, 40)])
    assert fastest < 0.01


async def test_resilience_04_events_before_during_and_after_an_outage_arrive_in_order(outage: Outage) -> None:
    await outage.kafka.start()
    await outage.start()
    keys = ("orders", "invoices", "shipping")

    async def post(first: int, count: int) -> list[bool]:
        posted = [await outage.post(number, key=keys[number % 3]) for number in range(first, first + count)]
        assert {answer.status for answer in posted} == {200}
        return [answer.is_published for answer in posted]

    assert all(await post(0, 30))
    await outage.kafka.stop()
    assert not any(await post(30, 40))
    await outage.kafka.start()
    await post(70, 30)

    events = await outage.events(100)
    for offset, key in enumerate(keys):
        assert numbers(events, key) == list(range(offset, 100, 3))


async def test_resilience_05_10000_events_are_replayed_within_2_s_of_the_first_successful_probe(
    outage: Outage,
) -> None:
    await outage.kafka.start()
    await outage.start()
    await outage.kafka.stop()
    await asyncio.gather(*(outage.post(number, key=f"service-{number % 50}") for number in range(200)))
    for first in range(200, 10_000, 200):
        posted = range(first, first + 200)
        await asyncio.gather(*(outage.post(number, key=f"service-{number % 50}") for number in posted))
    assert await outage.pending() >= 10_000

    await outage.kafka.start()
    await eventually(lambda: is_replayed(outage), "the outbox is empty")

    assert seconds_from_probe_to_empty(outage) < 2.0
    assert len(await outage.events(10_000)) == 10_000


async def test_resilience_05_10_events_are_replayed_within_2_s_of_the_broker_s_return(outage: Outage) -> None:
    await outage.kafka.start()
    await outage.start()
    await outage.kafka.stop()
    for number in range(10):
        await outage.post(number)

    await outage.kafka.start()
    back = time.monotonic()
    await eventually(lambda: is_replayed(outage), "the outbox is empty")

    assert time.monotonic() - back < 2.0
    assert numbers(await outage.events(10)) == list(range(10))


def seconds_from_probe_to_empty(outage: Outage) -> float:
    """Return how long the last replay took, by the worker's own log."""
    probe = outage.logged("breaker_changed", state="half_open")[-1]
    empty = outage.logged("outbox_replayed", pending=0)[-1]
    times = [datetime.fromisoformat(line["timestamp"]) for line in (probe, empty)]
    return (times[1] - times[0]).total_seconds()
