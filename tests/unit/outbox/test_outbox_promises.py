"""What an answer of `event_published: false` promises: the event is on the disk, and comes to Kafka in its turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bridge_app.clock import SystemClock
from bridge_app.domain.alarms import NoAlarms
from bridge_app.domain.breaker import CircuitBreaker
from bridge_app.effects.breakers import verdict_of
from bridge_app.effects.outbox.condition import Limits
from bridge_app.effects.outbox.disk import Disk
from bridge_app.effects.outbox.outbox import Outbox
from bridge_app.effects.outbox.replay import Replayer
from bridge_app.effects.publisher import Publisher
from bridge_app.events.envelope import Event, Outgoing
from bridge_app.metrics import Metrics
from bridge_app.settings import Settings

TOPIC = "hooks.service_lifecycle"


class ForgetfulDisk(Disk):
    """A disk that loses at a power failure what was written and not synced."""

    def __init__(self) -> None:
        self._paths: dict[int, Path] = {}
        self._synced: dict[Path, int] = {}

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._paths[descriptor] = path
        self._synced[path] = 0
        return descriptor

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        if descriptor in self._paths:
            path = self._paths[descriptor]
            self._synced[path] = path.stat().st_size

    def fail(self) -> None:
        """Have a power failure."""
        for path, size in self._synced.items():
            self.truncate(path, size)


def new_outbox(folder: Path, disk: Disk | None = None) -> Outbox:
    return Outbox(folder, Limits(1000, 1_000_000), clock=SystemClock(), alarms=NoAlarms(), disk=disk)


def record(number: int) -> Outgoing:
    return Outgoing(TOPIC, b"k", b'{"number":%d}' % number, 1_700_000_000_000, [])


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    outbox = new_outbox(tmp_path / "outbox")
    await outbox.open()
    yield outbox
    await outbox.close()


async def waiting(outbox: Outbox) -> list[Outgoing]:
    return [stored.record for stored in await outbox.read(1000)]


async def test_an_event_is_accepted_when_it_outlives_a_power_failure(tmp_path: Path) -> None:
    disk = ForgetfulDisk()
    first = new_outbox(tmp_path / "outbox", disk)
    await first.open()
    await asyncio.gather(*(first.append([record(number)]) for number in range(5)))
    disk.fail()
    await first.close()

    second = new_outbox(tmp_path / "outbox")
    await second.open()
    found = await waiting(second)
    await second.close()
    assert [one.value for one in found] == [record(number).value for number in range(5)]


async def test_the_position_moves_behind_what_is_acknowledged_and_no_further(outbox: Outbox) -> None:
    await outbox.append([record(number) for number in range(5)])

    async def send(records: Sequence[Outgoing]) -> Sequence[Exception | None]:
        return [None, None, ConnectionError("gone"), None, None]

    replayer = Replayer(outbox, send, rate=0, clock=SystemClock(), replayed=lambda _count: None)
    with pytest.raises(ConnectionError):
        await replayer.step()

    assert [one.value for one in await waiting(outbox)] == [record(number).value for number in (2, 3, 4)]


class WillingLink:
    """A connection over which Kafka acknowledges everything at once."""

    async def send(self, record: Outgoing) -> "asyncio.Future[None]":
        acknowledgement: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledgement.set_result(None)
        return acknowledgement


def publisher_of(settings: Settings, outbox: Outbox) -> Publisher:
    """Return a publisher that is not started; there are no topics to be created."""
    clock = SystemClock()
    breaker = CircuitBreaker("kafka", settings.breakers["kafka"], monotonic=clock.monotonic, classify=verdict_of)

    async def restore() -> None: ...

    return Publisher(
        settings,
        Metrics(),
        breaker=breaker,
        outbox=outbox,
        clock=clock,
        halt=lambda _error: None,
        restore_topics=restore,
    )


async def test_while_an_event_waits_a_new_one_queues_up_behind_it_though_kafka_answers(
    outbox: Outbox, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings()
    publisher = publisher_of(settings, outbox)
    publisher._link = cast(Any, WillingLink())
    assert await publisher.publish([(TOPIC, event())])
    await outbox.append([record(0)])

    assert not await publisher.publish([(TOPIC, event())])
    assert len(await waiting(outbox)) == 2


async def test_new_events_wait_for_the_last_window_and_go_to_kafka_behind_it(
    outbox: Outbox, make_settings: Callable[..., Settings]
) -> None:
    """A worker that always has something to publish gets back to Kafka all the same."""
    settings = make_settings()
    publisher = publisher_of(settings, outbox)
    publisher._link = cast(Any, WillingLink())
    await outbox.append([record(0)])
    under_way, acknowledged = asyncio.Event(), asyncio.Event()

    async def run(windows: int) -> int:
        under_way.set()
        await acknowledged.wait()
        await outbox.advance((await outbox.read(1))[0].sequence, 1)
        return 1

    publisher._side = cast(Any, OwnLoop())
    publisher._replayer.run = run  # type: ignore[method-assign]
    replaying = asyncio.create_task(publisher._replay())
    await under_way.wait()
    publishing = asyncio.create_task(publisher.publish([(TOPIC, event())]))
    await asyncio.sleep(0)
    acknowledged.set()
    assert await publishing
    await replaying
    assert outbox.is_empty


class OwnLoop:
    """A side loop that is none."""

    async def run(self, coroutine: Coroutine[Any, Any, int]) -> int:
        return await coroutine


def event() -> Event:
    return Event(
        event_id="e", event_type="t", time_us=0, correlation_id="c", trace_id="0" * 32, partition_key="k", payload={}
    )
