"""Time comes as events: alarms ring once, in order, whoever is killed in between."""

import asyncio
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from tests.lab.laboratory import TIMING, Laboratory
from tests.lab.load import Event, event
from tests.lab.marks import LONG
from tests.lab.oracle import ring
from tests.lab.waiting import eventually

ALARMS = 6_000
WITHIN_SECONDS = 4
KILLS = [pytest.param(2, id="2 kills"), pytest.param(10, id="10 kills", marks=LONG)]


def settings(rng: random.Random, count: int, *, within: float) -> Iterator[Event]:
    """Yield alarms that ring within so many seconds from now, or rang up to one second ago."""
    now = time.time()
    for number in range(count):
        due = int((now + rng.uniform(-1, within)) * 1_000_000)
        yield event(f"k{rng.randrange(count)}", f"alarm{number}", due)


async def until_all_rang(lab: Laboratory, *, seconds: float = 30.0) -> None:
    async def all_rang() -> bool:
        states = ring(await lab.cluster.read(lab.topics[0])).states
        return not any(state and state[0] for state in states.values())

    await eventually(all_rang, "a tick behind every alarm", seconds=seconds)


@pytest.mark.parametrize("kills", KILLS)
async def test_alarms_ring_once_and_in_order_across_kill_9_with_the_disk_kept_and_wiped(
    kafka: str, tmp_path: Path, kills: int
) -> None:
    async with Laboratory(kafka, tmp_path, module=TIMING, partitions=2) as lab:
        await lab.create_topics()
        within = WITHIN_SECONDS * kills
        alarms = settings(lab.rng, ALARMS, within=within)
        sending = asyncio.create_task(lab.send(alarms, per_second=ALARMS // (2 * kills)))
        worker = lab.worker().start()
        for life in range(kills):
            await lab.until_derived(lab.rng.randrange(1, ALARMS // (4 * kills)))
            await lab.kill(worker)
            if life % 2:
                worker.wipe()
            worker.start()
        await sending
        await until_all_rang(lab, seconds=within + 30)
        await lab.until_committed()
        assert await worker.terminate() == 0

        (await lab.audit()).assert_sound()


@pytest.mark.parametrize("phase", ["during_changelog", "after_derived"])
async def test_alarms_ring_once_when_the_worker_dies_between_two_phases_of_a_tick(
    kafka: str, tmp_path: Path, phase: str
) -> None:
    async with Laboratory(kafka, tmp_path, module=TIMING, partitions=1) as lab:
        await lab.create_topics()
        await lab.send(settings(lab.rng, ALARMS, within=6))
        worker = lab.worker()
        countdown = lab.rng.randint(1, 3)
        assert await worker.start(LAB_KILL_AT=phase, LAB_KILL_STEP=countdown).exit_code() == -9
        await lab.cluster.expel(lab.group, worker.name)

        worker.start()
        await until_all_rang(lab)
        await lab.until_committed()
        assert await worker.terminate() == 0

        (await lab.audit()).assert_sound()


async def test_an_alarm_whose_row_outlived_a_kill_still_rings_though_an_earlier_tick_is_replayed(
    kafka: str, tmp_path: Path
) -> None:
    """Half of the changelog of a step survives the kill: on the replay its rows are ahead of the tick before them."""
    async with Laboratory(kafka, tmp_path, module=TIMING, partitions=1) as lab:
        await lab.create_topics()
        now = datetime.now(UTC)
        tick = Event(b"tick", orjson.dumps({"event_type": "tick", "event_timestamp": now.isoformat()}))
        past = int(now.timestamp() * 1_000_000) - 1_000_000
        await lab.send([tick, *(event(f"k{number}", f"alarm{number}", past + number) for number in range(1_000))])
        worker = lab.worker()
        assert await worker.start(LAB_KILL_AT="during_changelog").exit_code() == -9
        await lab.cluster.expel(lab.group, worker.name)

        worker.start()
        await until_all_rang(lab)
        await lab.until_committed()
        assert await worker.terminate() == 0

        (await lab.audit()).assert_sound()
