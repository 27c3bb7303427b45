"""A key that was forgotten stays forgotten, and its tombstone reaches the changelog."""

from pathlib import Path

import pytest

from tests.lab.laboratory import Laboratory
from tests.lab.load import event
from tests.lab.marks import LONG

KEYS = 200


@pytest.mark.parametrize("disk", ["kept", "wiped"])
async def test_forgotten_keys_do_not_come_back_after_kill_9_and_their_tombstones_reach_the_changelog(
    kafka: str, tmp_path: Path, disk: str
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        kept = [event("kept", f"kept{number}", number) for number in range(4)]
        first = [event(f"k{number}", f"set{number}", 1) for number in range(KEYS)]
        forget = [event(f"k{number}", f"forget{number}", -1) for number in range(KEYS)]
        worker = lab.worker()
        await lab.send([*first, kept[0]])
        worker.start()
        await lab.until_derived_is(KEYS + 1)
        await lab.send(forget)
        await lab.until_derived_is(2 * KEYS + 1)
        await lab.send([kept[1]])
        await lab.until_derived_is(2 * KEYS + 2)
        await lab.kill(worker)  # commits come once a second: most of it will be replayed
        if disk == "wiped":
            worker.wipe()

        worker.start()
        await lab.send(kept[2:])
        await lab.until_committed()
        assert await worker.terminate() == 0

        (await lab.audit()).assert_sound()
        assert await lab.states() == {b"kept": [4, 6]}
        changelog = await lab.cluster.read(f"{lab.group}-counts-changelog")
        buried = {record.key for record in changelog if record.value is None}
        assert buried == {one.key for one in forget}


async def test_a_forgotten_key_that_is_used_again_starts_from_nothing(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        worker = lab.worker().start()
        await lab.send([event("k", "a", 5), event("k", "b", -1)])
        await lab.until_derived_is(2)
        await lab.send([event("k", "c", 7)])
        await lab.until_committed()
        assert await worker.terminate() == 0

        assert await lab.states() == {b"k": [1, 7]}
        (await lab.audit()).assert_sound()


async def test_a_replay_finds_the_history_of_a_key_that_was_forgotten_just_before_the_kill(
    kafka: str, tmp_path: Path
) -> None:
    """Half of the graves outlive the kill. Were they tombstones, the replay would derive other contents."""
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        worker = lab.worker()
        await lab.send(event(f"k{number}", f"set{number}", 1) for number in range(KEYS))
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        keys = range(KEYS)
        again = [event(f"k{number}", f"again{number}", 1) for number in keys]
        forget = [event(f"k{number}", f"forget{number}", -1) for number in keys]
        await lab.send([*again, *forget])

        assert await worker.start(LAB_KILL_AT="during_changelog").exit_code() == -9
        await lab.cluster.expel(lab.group, worker.name)
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0

        (await lab.audit()).assert_sound()
        assert await lab.states() == {}


@pytest.mark.parametrize(
    ("disk", "keys"),
    [
        ("wiped", KEYS),
        pytest.param("kept", KEYS, marks=LONG),
        pytest.param("kept", 3 * KEYS, marks=LONG),
    ],
)
async def test_graves_that_a_killed_worker_left_become_tombstones_in_a_table_without_timers(
    kafka: str, tmp_path: Path, disk: str, keys: int
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        worker = lab.worker()
        await lab.send(event(f"k{number}", f"set{number}", 1) for number in range(keys))
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        forget = [event(f"k{number}", f"forget{number}", -1) for number in range(keys)]
        await lab.send(forget)
        assert await worker.start(LAB_KILL_AT="before_commit").exit_code() == -9  # buried, and no step after it
        await lab.cluster.expel(lab.group, worker.name)
        if disk == "wiped":
            worker.wipe()

        worker.start()
        for number in range(2 + keys // KEYS):  # each step searches a part
            await lab.send([event("kept", f"kept{number}", 1)])
            await lab.until_committed()
        assert await worker.terminate() == 0

        (await lab.audit()).assert_sound()
        changelog = await lab.cluster.read(f"{lab.group}-counts-changelog")
        assert {record.key for record in changelog if record.value is None} == {one.key for one in forget}
