"""The broker goes away and comes back: what callers are told, and what arrives (resilience §3, conventions §10)."""

import asyncio
import time
from datetime import datetime
from typing import Any

import pytest

from tests.integration.outbox.outage import Outage, numbers
from tests.lab.waiting import crowding, eventually

pytestmark = pytest.mark.timeout(240)


async def until_open(outage: Outage) -> None:
    await eventually(lambda: outage.logged("breaker_changed", state="open") != [], "the breaker opens")


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
    await until_open(outage)
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


@pytest.mark.parametrize("waiting", [0, 2, 30])
async def test_resilience_04_once_kafka_is_healthy_and_nothing_waits_the_next_event_goes_straight_to_it(
    outage: Outage, waiting: int
) -> None:
    await outage.kafka.start()
    await outage.start()
    await outage.kafka.stop()
    await until_open(outage)
    await buffered(outage, waiting)
    await outage.kafka.start()

    async def is_over() -> bool:
        checks = (await outage.health())["checks"]
        return (checks["kafka"]["status"], checks["outbox"]["pending"]) == ("healthy", 0)

    await eventually(is_over, "Kafka is healthy, the outbox empty", seconds=60)
    assert (await outage.post(waiting)).is_published


async def test_resilience_05_10000_events_are_replayed_within_2_s_of_the_first_successful_probe(
    outage: Outage,
) -> None:
    await outage.kafka.start()
    async with outage.kafka.proxy() as network:
        await outage.start(**outage.kafka.proxied_environ)
        await network.cut()
        await until_open(outage)  # 10,000 hooks may be buffered before enough has failed
        await buffered(outage, 10_000)

        await network.heal()
        await eventually(lambda: is_replayed(outage), "the outbox is empty")

        assert await seconds_from_probe_to_empty(outage) < 2.0 * crowding()
        assert len(await outage.events(10_000)) == 10_000


async def test_resilience_05_10_events_are_replayed_within_2_s_of_the_broker_s_return(outage: Outage) -> None:
    await outage.kafka.start()
    await outage.start()
    await outage.kafka.stop()
    await buffered(outage, 10)

    await outage.kafka.start()
    await outage.until_kafka_takes_records()
    back = time.monotonic()
    await eventually(lambda: is_replayed(outage), "the outbox is empty")

    assert time.monotonic() - back < 2.0 * crowding()
    assert numbers(await outage.events(10)) == list(range(10))


@pytest.mark.parametrize("torn", [False, True])
async def test_resilience_06_what_was_answered_survives_a_kill_and_a_torn_write(outage: Outage, torn: bool) -> None:
    await outage.kafka.start()
    await outage.start()
    answered = [await outage.post(number) for number in range(30)]
    await outage.kafka.stop()
    answered += [await outage.post(number) for number in range(30, 70)]
    await outage.worker.kill()
    if torn:
        tear(outage)
    outage.worker.start()
    await eventually(lambda: outage.answers("/health"), "the worker answers")
    answered += [await outage.post(number) for number in range(70, 80)]
    await outage.kafka.start()
    await eventually(lambda: is_replayed(outage), "the outbox is empty", seconds=60)
    answered += [await outage.post(number) for number in range(80, 100)]

    assert {answer.status for answer in answered} == {200}
    assert [event["event_id"] for event in await outage.events(100)] == [answer.event_id for answer in answered]
    assert bool(outage.logged("outbox_tail_cut")) == torn


async def test_resilience_07_the_replay_keeps_its_rate(outage: Outage) -> None:
    await outage.kafka.start()
    await outage.start(OUTBOX_REPLAY_RATE=100)
    await outage.kafka.stop()
    await buffered(outage, 500)

    await outage.kafka.start()
    await eventually(lambda: is_replayed(outage), "the outbox is empty", seconds=60)

    assert len(await outage.events(500)) == 500
    windows = outage.logged("outbox_replayed")
    assert {window["count"] for window in windows[:-1]} <= {1, 10}
    assert 4.5 <= seconds_between(windows[0], windows[-1]) <= 6.0 * crowding()


async def test_resilience_07_the_11th_hook_is_refused_when_10_may_wait(outage: Outage) -> None:
    await outage.kafka.start()
    await outage.start(OUTBOX_MAX_EVENTS=10)
    await outage.kafka.stop()
    await buffered(outage, 10)

    refused = await outage.post(10)

    assert (refused.status, refused.body["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await outage.health())["status"] == "unhealthy"
    assert not await outage.is_ready()
    await outage.kafka.start()
    await eventually(outage.is_ready, "the worker is ready again", seconds=60)
    assert numbers(await outage.events(10)) == list(range(10))


async def test_resilience_11_a_worker_starts_without_kafka_and_joins_by_itself_when_it_comes(outage: Outage) -> None:
    outage.worker.start()
    started = time.monotonic()
    await eventually(lambda: outage.answers("/health"), "the worker answers")
    up = time.monotonic() - started
    pid = outage.worker.pid
    answers = [await outage.post(number) for number in range(10)]
    assert {(answer.status, answer.is_published) for answer in answers} == {(200, False)}

    await outage.kafka.start()
    events = await outage.events(10, seconds=60)
    await eventually(outage.is_ready, "the worker is ready", seconds=60)

    assert [event["event_id"] for event in events] == [answer.event_id for answer in answers]
    assert outage.worker.pid == pid
    assert up < 3.0 * crowding()


@pytest.mark.parametrize("killed", [False, True])
async def test_conventions_14_hooks_during_an_outage_are_answered_and_come_in_order(
    outage: Outage, killed: bool
) -> None:
    await outage.kafka.start()
    await outage.start()
    await outage.kafka.stop()

    answers = [await outage.post(number) for number in range(20)]

    assert {(answer.status, answer.is_published) for answer in answers} == {(200, False)}
    assert {answer.body["data"]["processing_status"] for answer in answers} == {"buffered"}
    if killed:
        await outage.worker.kill()
        outage.worker.start()
        await eventually(lambda: outage.answers("/health"), "the worker answers")
    await eventually(lambda: is_told(outage), "health tells of the outage")
    assert await outage.pending() >= 20

    await outage.kafka.start()
    await outage.until_kafka_takes_records()
    events = await outage.events(20, seconds=10)
    assert [event["event_id"] for event in events] == [answer.event_id for answer in answers]


async def test_hooks_21_a_start_during_an_outage_is_buffered_and_analysed_all_the_same(outage: Outage) -> None:
    await outage.kafka.start()
    await outage.start()
    await outage.kafka.stop()

    answer = await outage.post(1)

    data = answer.body["data"]
    assert (answer.status, data["processing_status"], data["event_published"]) == (200, "buffered", False)
    patterns = data["intelligence_analysis"]["patterns_discovered"]
    assert "service_initialization" in [pattern["pattern_type"] for pattern in patterns]


async def is_told(outage: Outage) -> bool:
    health = await outage.health()
    kafka = health["checks"]["kafka"]
    return health["status"] == "degraded" and kafka["connected"] is False and bool(kafka["reason"])


async def buffered(outage: Outage, count: int) -> None:
    """Post hooks, the first of them one by one, and expect that all of them wait in the outbox.

    Many come in batches: an outage that is longer than the session of a worker may end it.
    """
    alone = min(count, 20)
    assert not any([(await outage.post(number)).is_published for number in range(alone)])
    for first in range(alone, count, 200):
        keys = {number: f"service-{number % 50}" for number in range(first, min(first + 200, count))}
        if count > 1000:
            assert not any(await outage.post_batch(keys))
        else:
            answers = await asyncio.gather(*(outage.post(number) for number in keys))
            assert not any(answer.is_published for answer in answers)
    assert await outage.pending() >= count


def tear(outage: Outage) -> None:
    """Leave half a record at the end of the segment, as a write that the kill interrupted."""
    segment = max(outage.outbox.glob("*.segment"))
    content = segment.read_bytes()
    segment.write_bytes(content + content[: len(content) // 80])


def seconds_between(first: dict[str, Any], last: dict[str, Any]) -> float:
    times = [datetime.fromisoformat(line["timestamp"]) for line in (first, last)]
    return (times[1] - times[0]).total_seconds()


async def seconds_from_probe_to_empty(outage: Outage) -> float:
    """Return how long the replay took, by the worker's own log."""
    await eventually(lambda: outage.logged("outbox_replayed", pending=0) != [], "the end of the replay is logged")
    probe = outage.logged("breaker_changed", state="half_open")[-1]
    return seconds_between(probe, outage.logged("outbox_replayed", pending=0)[-1])
