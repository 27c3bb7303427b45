"""When a batch is complete (database-adapter §2)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bridge_app.domain.database_adapter.sorting import Reading
from bridge_app.effects.intake import Intake
from bridge_app.errors import PoisonRecord

Readings = Callable[[int], list[Reading]]
UNREAD = PoisonRecord("INVALID_JSON", "not read in this test")


@pytest.fixture
def readings(make_record: Callable[..., Any]) -> Readings:
    """Return a function that makes records of 10 bytes each."""
    return lambda count: [Reading(make_record(offset=n, key=b"k", value=b"123456789"), UNREAD) for n in range(count)]


def offsets(batch: list[Reading]) -> list[int]:
    return [reading.record.offset for reading in batch]


async def test_full_batch_is_there_at_once_and_keeps_the_order(readings: Readings) -> None:
    intake = Intake(batch_records=4, batch_bytes=1000, linger_seconds=3600)
    intake.add(readings(6))
    assert offsets(await intake.batch()) == [0, 1, 2, 3]
    assert (len(intake), intake.size_bytes) == (2, 20)


async def test_batch_ends_at_its_bytes(readings: Readings) -> None:
    intake = Intake(batch_records=100, batch_bytes=35, linger_seconds=3600)
    intake.add(readings(6))
    assert offsets(await intake.batch()) == [0, 1, 2]


async def test_record_over_the_bytes_is_a_batch_of_its_own(readings: Readings) -> None:
    intake = Intake(batch_records=100, batch_bytes=5, linger_seconds=3600)
    intake.add(readings(2))
    assert offsets(await intake.batch()) == [0]


async def test_what_is_there_is_taken_after_the_linger(readings: Readings) -> None:
    intake = Intake(batch_records=100, batch_bytes=1000, linger_seconds=0.01)
    intake.add(readings(3))
    assert offsets(await intake.batch()) == [0, 1, 2]


async def test_records_of_dropped_topics_are_gone_and_the_others_stay(make_record: Callable[..., Any]) -> None:
    intake = Intake(batch_records=100, batch_bytes=1000, linger_seconds=0.01)
    names = ["a", "b", "a", "b"]
    intake.add(Reading(make_record(topic=name, offset=n, key=b"k", value=b"1"), UNREAD) for n, name in enumerate(names))
    intake.drop_topics(["a"])
    assert (len(intake), intake.size_bytes) == (2, 4)
    assert offsets(await intake.batch()) == [1, 3]


async def test_dropped_records_make_no_batch(readings: Readings) -> None:
    intake = Intake(batch_records=100, batch_bytes=1000, linger_seconds=0.01)
    intake.add(readings(3))
    intake.drop()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(intake.batch(), 0.05)
    assert (len(intake), intake.size_bytes) == (0, 0)


async def test_who_fetches_learns_that_a_batch_was_taken(readings: Readings) -> None:
    intake = Intake(batch_records=2, batch_bytes=1000, linger_seconds=3600)
    intake.add(readings(2))
    assert not await intake.taken(0.01)
    waiting = asyncio.create_task(intake.taken(10))
    await asyncio.wait_for(intake.batch(), 1)
    assert await waiting
