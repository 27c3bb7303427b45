"""The state folder in every bad condition: set aside and read again from the changelog, or refused (resilience §7)."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.laboratory import Laboratory
from tests.lab.load import numbered
from tests.lab.marks import LONG
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

EVENTS = 1_000


def databases(worker: Worker) -> list[Path]:
    return sorted(current.parent for current in worker.data_folder.glob("**/counts-*.db/CURRENT"))


def delete(database: Path) -> None:
    shutil.rmtree(database)


def truncate_tables(database: Path) -> None:
    for file in database.glob("*.sst"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_tables(database: Path) -> None:
    for file in database.glob("*.sst"):
        file.write_bytes(bytes(byte ^ 0xFF if 100 < at < 3000 else byte for at, byte in enumerate(file.read_bytes())))


def flip_values(database: Path) -> None:
    """Damage what only a step reads; the first block, with the changelog's offset, is left alone."""
    for file in database.glob("*.sst"):
        data = file.read_bytes()
        file.write_bytes(data[:4500] + bytes(byte ^ 0xFF for byte in data[4500:6000]) + data[6000:])


def flip_manifest(database: Path) -> None:
    for file in database.glob("MANIFEST-*"):
        file.write_bytes(bytes(byte ^ 0xFF for byte in file.read_bytes()))


def truncate_log(database: Path) -> None:
    for file in database.glob("*.log"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def lose_manifest(database: Path) -> None:
    for file in database.glob("MANIFEST-*"):
        file.unlink()


def be_a_file(database: Path) -> None:
    shutil.rmtree(database)
    database.write_text("no database")


async def some_state(lab: Laboratory) -> Worker:
    """Leave a worker's state behind, in tables on the disk: RocksDB writes them when a database is opened again."""
    await lab.create_topics()
    worker = lab.worker()
    for part in range(2):
        await lab.send(numbered(lab.rng, range(part * EVENTS, (part + 1) * EVENTS), keys=500))
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
    return worker


async def start(worker: Worker) -> None:
    """Start a worker and wait until its tables are recovered."""
    ready = worker.log.count("Worker ready")
    worker.start()
    await eventually(lambda: worker.log.count("Worker ready") > ready, "the worker is ready")


async def go_on(lab: Laboratory, worker: Worker) -> None:
    """Work on; a worker that finds a damaged database in the middle of a step ends, and is started again."""
    await lab.send(numbered(lab.rng, range(2 * EVENTS, 3 * EVENTS), keys=500))
    committed = asyncio.create_task(lab.until_committed(seconds=60))
    starts = 0
    while not committed.done():
        if not worker.is_running:
            assert starts <= lab.partitions, "a crash loop"
            await lab.cluster.expel(lab.group, worker.name)
            worker.start()
            starts += 1
        await asyncio.wait({committed}, timeout=0.1)
    committed.result()
    assert await worker.terminate() == 0


def in_chaos(*damages: Callable[[Path], None]) -> list[Any]:
    return [pytest.param(damage, marks=LONG) for damage in damages]


@pytest.mark.parametrize(
    "damage",
    [
        lose_manifest,
        *in_chaos(flip_tables, flip_values, delete, truncate_tables, flip_manifest, truncate_log, be_a_file),
    ],
)
async def test_a_damaged_state_folder_is_made_anew_from_the_changelog(
    kafka: str, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=2) as lab:
        worker = await some_state(lab)
        found = databases(worker)
        assert len(found) == 2
        assert all(list(database.glob("*.sst")) for database in found)
        for database in found:
            damage(database)
        await go_on(lab, worker)
        (await lab.audit()).assert_sound()
        if damage not in (delete, truncate_log):
            assert "state_set_aside" in worker.log


@pytest.mark.chaos_long
async def test_an_older_copy_of_the_state_folder_catches_up(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=2) as lab:
        worker = await some_state(lab)
        shutil.copytree(worker.data_folder, tmp_path / "older")
        await lab.send(numbered(lab.rng, range(2 * EVENTS, 3 * EVENTS), keys=500))
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        shutil.rmtree(worker.data_folder)
        shutil.copytree(tmp_path / "older", worker.data_folder)
        await start(worker)
        assert await worker.terminate() == 0
        (await lab.audit()).assert_sound()


async def test_a_state_folder_that_is_ahead_of_its_changelog_is_made_anew_from_it(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        worker = await some_state(lab)
        changelog = f"{lab.group}-counts-changelog"
        await lab.cluster.delete(changelog)
        await start(worker)
        assert "state_set_aside" in worker.log
        await lab.send(numbered(lab.rng, range(100), keys=10))
        await lab.until_committed()
        assert await worker.terminate() == 0
        assert sum(events for events, _ in (await lab.states()).values()) == 100


async def test_a_data_folder_that_cannot_be_written_ends_the_start_with_2(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        worker = lab.worker()
        worker.data_folder.mkdir()
        (worker.data_folder / "worker.lock").mkdir()
        assert await worker.start().exit_code() == 2
        assert f"BRIDGE_DATA_DIR={worker.data_folder}" in worker.log
