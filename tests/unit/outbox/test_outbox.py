"""The outbox in an event loop: group commit, limits, a disk that fails, who is told."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge_app.domain.alarms import Alarm
from bridge_app.effects.outbox.condition import FREE_BYTES, RETRY_SECONDS, Limits
from bridge_app.effects.outbox.disk import Disk
from bridge_app.effects.outbox.outbox import Outbox
from bridge_app.errors import ServiceUnavailable, SettingsError
from tests.lab.waiting import eventually
from tests.unit.outbox.disks import FailingDisk
from tests.unit.outbox.samples import numbers, record, records
from tests.unit.web.http_worker import ManualClock


class Told:
    """Which alarms are raised, and every one there ever was."""

    def __init__(self) -> None:
        self.active: dict[str, str] = {}
        self.ever: list[str] = []
        self.context: Mapping[str, Any] = {}

    def raise_(self, alarm: Alarm) -> None:
        assert alarm.impact
        assert alarm.actions
        if alarm.name not in self.active:
            self.ever.append(alarm.error_type)
        self.active[alarm.name] = alarm.message
        self.context = alarm.context

    def clear(self, name: str) -> None:
        self.active.pop(name, None)


LIMITS = Limits(1000, 1_000_000)


@asynccontextmanager
async def opened(
    path: Path,
    *,
    limits: Limits = LIMITS,
    disk: Disk | None = None,
    told: Told | None = None,
    clock: ManualClock | None = None,
) -> AsyncIterator[Outbox]:
    outbox = Outbox(path, limits, clock=clock or ManualClock(), alarms=told or Told(), disk=disk)
    await outbox.open()
    try:
        yield outbox
    finally:
        await outbox.close()


async def waiting(outbox: Outbox) -> list[int]:
    return numbers(stored.record for stored in await outbox.read(1_000_000))


async def test_records_have_the_order_of_the_calls_and_many_share_an_fsync(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, disk=disk) as outbox:
        before = disk.synced
        await asyncio.gather(*(outbox.append([record(number)]) for number in range(200)))
        assert await waiting(outbox) == list(range(200))
        assert disk.synced - before <= 10
        await outbox.append(records(300, start=200))
        assert disk.synced - before <= 11
    async with opened(tmp_path) as outbox:
        assert await waiting(outbox) == list(range(500))


async def test_nothing_is_accepted_before_it_is_synced(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, disk=disk) as outbox:
        disk.failing = {"sync"}
        with pytest.raises(ServiceUnavailable):
            await outbox.append([record(1)])
        assert outbox.is_empty


async def test_while_anything_is_on_its_way_to_the_disk_the_outbox_is_not_empty(tmp_path: Path) -> None:
    async with opened(tmp_path) as outbox:
        durable = outbox.append([record(1)])
        assert not outbox.is_empty
        await durable
        assert not outbox.is_empty
        await outbox.advance(1, 10)
        assert outbox.is_empty


async def test_resilience_07_what_is_over_the_limit_is_refused_and_told_once_until_there_is_room(
    tmp_path: Path,
) -> None:
    told = Told()
    async with opened(tmp_path, limits=Limits(10, 1_000_000), told=told) as outbox:
        await asyncio.gather(*(outbox.append([record(number)]) for number in range(10)))
        for _ in range(3):
            with pytest.raises(ServiceUnavailable) as refused:
                outbox.append([record(11)])
        assert int(refused.value.headers["Retry-After"]) >= 1
        assert outbox.full_reason is not None
        await outbox.append([record(12)], is_extra=True)
        assert told.ever == ["outbox_full"]

        await outbox.advance(1, 10)
        await eventually(lambda: not told.active, "it is told that there is room")
        await outbox.append([record(13)])
        with pytest.raises(ServiceUnavailable):
            outbox.append([record(14)])
        assert len(await waiting(outbox)) == 11


async def test_bytes_are_limited_too(tmp_path: Path) -> None:
    async with opened(tmp_path, limits=Limits(1000, 5000)) as outbox:
        await outbox.append([record(1, size=4000)])
        with pytest.raises(ServiceUnavailable):
            outbox.append([record(2, size=2000)])


async def test_a_disk_that_is_nearly_full_is_left_to_others(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, disk=disk) as outbox:
        disk.failing = {"free"}
        await outbox.look_at_disk()
        with pytest.raises(ServiceUnavailable):
            outbox.append([record(1)])
        assert f"{FREE_BYTES // 2**20} MiB" in (outbox.full_reason or "")
        disk.failing = set()
        await outbox.look_at_disk()
        await outbox.append([record(1)])


async def test_after_an_error_a_new_segment_is_tried_every_5_s(tmp_path: Path) -> None:
    disk, clock, told = FailingDisk(), ManualClock(), Told()
    async with opened(tmp_path, disk=disk, clock=clock, told=told) as outbox:
        await outbox.append([record(1)])
        disk.failing = {"write", "create"}
        for number in range(3):
            with pytest.raises(ServiceUnavailable) as refused:
                await outbox.append([record(number)])
        assert refused.value.headers["Retry-After"] == str(RETRY_SECONDS)
        assert told.ever == ["outbox_unwritable"]

        clock.seconds += RETRY_SECONDS
        await outbox.look_at_disk()
        assert outbox.unwritable_reason is not None
        disk.failing = set()
        await outbox.look_at_disk()
        assert outbox.unwritable_reason is not None
        clock.seconds += RETRY_SECONDS
        await outbox.look_at_disk()
        assert outbox.unwritable_reason is None
        assert not told.active
        await outbox.append([record(2)])
        assert await waiting(outbox) == [1, 2]


async def test_alarms_that_a_failing_disk_did_not_take_make_no_room_beyond_the_limit(tmp_path: Path) -> None:
    disk, clock = FailingDisk(), ManualClock()
    async with opened(tmp_path, disk=disk, clock=clock, limits=Limits(3, 1_000_000)) as outbox:
        await outbox.append([record(0)])
        disk.failing = {"write", "create"}
        with pytest.raises(ServiceUnavailable):
            await outbox.append([record(8)], is_extra=True)  # the disk refuses it
        with pytest.raises(ServiceUnavailable):
            await outbox.append([record(9)], is_extra=True)  # nobody asks the disk again so soon
        disk.failing = set()
        clock.seconds += RETRY_SECONDS
        await outbox.append([record(1)])
        await outbox.append([record(2)])
        with pytest.raises(ServiceUnavailable):
            await outbox.append([record(3)])


async def test_resilience_06_what_is_found_damaged_is_told_with_the_count(tmp_path: Path) -> None:
    told = Told()
    async with opened(tmp_path) as outbox:
        await outbox.append(records(10))
    segment = damage_the_middle(tmp_path)

    async with opened(tmp_path, told=told) as outbox:
        assert len(await waiting(outbox)) == 9
    assert told.ever == ["outbox_corrupt"]
    assert told.context["lost"] == 1
    assert told.context["files"] == [str(segment.with_suffix(".corrupt"))]


async def test_a_folder_that_cannot_be_used_is_an_error_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file")
    outbox = Outbox(tmp_path / "outbox", Limits(1, 1), clock=ManualClock(), alarms=Told())
    with pytest.raises(SettingsError, match="BRIDGE_DATA_DIR"):
        await outbox.open()
    await outbox.close()


def damage_the_middle(folder: Path) -> Path:
    """Flip a bit of the only segment of a folder; return the segment."""
    (segment,) = folder.glob("*.segment")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2 - 20] ^= 1
    segment.write_bytes(content)
    return segment
