"""The adapter's consumer on the real Kafka (database-adapter §2, §7)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bridge_app.domain.database_adapter.sorting import Reading
from bridge_app.effects import record_source
from bridge_app.effects.record_source import RecordSource
from bridge_app.errors import PoisonRecord
from bridge_app.runtime.losses import Lost
from bridge_app.settings import Settings
from tests.integration.database_adapter.conftest import Bench, altered
from tests.lab.cluster import Cluster
from tests.lab.waiting import eventually


@asynccontextmanager
async def running(
    settings: Settings,
    topic: str,
    finish: Callable[[], Awaitable[None]] | None = None,
    losses: list[Lost] | None = None,
) -> AsyncIterator[RecordSource]:
    async def nothing() -> None:
        pass

    def refuse(lost: Lost) -> None:
        raise AssertionError(lost)

    unread = PoisonRecord("INVALID_JSON", "not read in this test")
    source = RecordSource(
        settings,
        f"{topic}$",
        read=lambda record: Reading(record, unread),
        finish=finish or nothing,
        lost=losses.append if losses is not None else refuse,
    )
    await source.start()
    try:
        yield source
    finally:
        await source.stop()


@pytest.fixture
async def topic(bench: Bench) -> str:
    name = f"{bench.settings.kafka_topic_prefix}extra.source"
    await bench.create(name, partitions=2)
    return name


async def take(source: RecordSource, count: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while len(found) < count:
        found += [(record.partition, record.offset) for record, _ in await source.batch()]
    return found


async def test_reading_stops_at_the_bound_and_goes_on(
    bench: Bench, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_source, "PATIENCE_SECONDS", 0.05)
    await bench.send(topic, [{"n": n} for n in range(500)], partition=0)
    settings = altered(bench.settings, adapter_fetch_ahead=50, adapter_batch_size=20)
    async with running(settings, topic) as source:
        await eventually(lambda: source.is_paused, "the pause")
        assert source.fetched == 50
        assert await take(source, 500) == [(0, offset) for offset in range(500)]
        assert not source.is_paused


async def test_stopped_topic_is_read_no_further_after_a_rebalance_either(bench: Bench, topic: str) -> None:
    async with running(bench.settings, topic) as source:
        await bench.send(topic, [{"n": 0}], partition=0)
        await take(source, 1)
        source.stop_topic(topic)
        async with running(bench.settings, topic) as other:
            await eventually(lambda: other.has_assignment and source.has_assignment, "both have partitions")
            for partition in (0, 1):
                await bench.send(topic, [{"n": 1}], partition=partition)
            await take(other, 1)
        await eventually(lambda: source.has_assignment, "the partitions are back")
        assert source.fetched == 0


async def test_what_was_not_committed_goes_to_the_next_owner(bench: Bench, topic: str) -> None:
    finished = []

    async def finish() -> None:
        finished.append(True)

    await bench.send(topic, [{"n": n} for n in range(10)], partition=0)
    async with running(altered(bench.settings, adapter_batch_size=4), topic, finish) as source:
        batch = await source.batch()
        assert [record.offset for record, _ in batch] == [0, 1, 2, 3]
        await source.commit({(topic, 0): 4})
        await bench.send(topic, [{"n": 10}], partition=1)
        async with running(bench.settings, topic) as other:
            await eventually(lambda: len(finished) > 1, "the partitions are given away")
            await eventually(lambda: source.has_assignment and other.has_assignment, "both have partitions")
        await eventually(lambda: source.has_assignment and source.fetched >= 7, "all partitions are back")
        assert sorted(await take(source, 7)) == [*((0, offset) for offset in range(4, 10)), (1, 0)]
        await bench.send(topic, [{"n": 11}], partition=1)
        assert await take(source, 1) == [(1, 1)]


async def test_commit_of_a_partition_that_is_gone_changes_nothing(bench: Bench, topic: str) -> None:
    async with running(bench.settings, topic) as source:
        await eventually(lambda: source.has_assignment, "the partitions")
        await source.commit({(f"{topic}.other", 0): 4})


async def test_partitions_of(bench: Bench, topic: str) -> None:
    async with running(bench.settings, topic) as source:
        await eventually(lambda: source.has_assignment, "the partitions")
        assert source.partitions_of(topic) == 2


async def test_records_that_the_topic_dropped_before_they_were_read_are_told_exactly(
    bench: Bench, topic: str, kafka: str
) -> None:
    await bench.send(topic, [{"n": n} for n in range(100)], partition=0)
    async with running(bench.settings, topic) as source:
        await take(source, 100)
        await source.commit({(topic, 0): 10})
    await bench.delete_before(topic, 0, 25)
    losses: list[Lost] = []
    async with running(bench.settings, topic, losses=losses) as source:
        assert (await take(source, 75))[0] == (0, 25)
    assert losses == [Lost(bench.settings.adapter_group, topic, 0, 10, 25)]


async def test_records_dropped_behind_a_paused_reader_are_told_too(
    bench: Bench, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_source, "PATIENCE_SECONDS", 0.05)
    losses: list[Lost] = []
    settings = altered(bench.settings, adapter_fetch_ahead=1)
    async with running(settings, topic, losses=losses) as source:
        await bench.send(topic, [{}], partition=0)
        await eventually(lambda: source.is_paused, "the pause")
        await bench.send(topic, [{"n": n} for n in range(10)], partition=0)
        await bench.delete_before(topic, 0, 6)
        assert await take(source, 6) == [(0, offset) for offset in (0, 6, 7, 8, 9, 10)]
        await eventually(lambda: bool(losses), "the loss is told")
    assert losses == [Lost(bench.settings.adapter_group, topic, 0, 1, 6)]


async def test_gaps_that_transactions_leave_are_no_loss(bench: Bench, topic: str, kafka: str) -> None:
    losses: list[Lost] = []
    cluster = Cluster(kafka)
    await cluster.start()
    try:
        async with running(bench.settings, topic, losses=losses) as source:
            for _ in range(3):
                await cluster.send_transaction(topic, b"k", b"{}")
                await take(source, 1)
    finally:
        await cluster.stop()
    assert losses == []
