"""A worker that was frozen for longer than its session has lost its partitions, and must not write a thing."""

from pathlib import Path

import pytest

from tests.lab.kill_points import FROZEN
from tests.lab.laboratory import Laboratory
from tests.lab.load import numbered
from tests.lab.marks import LONG
from tests.lab.waiting import eventually

FREEZES = [pytest.param(1, id="once"), pytest.param(6, id="6 times", marks=LONG)]
PER_SECOND = 4_000
BACKLOG = 10_000


@pytest.mark.parametrize("freezes", FREEZES)
async def test_a_worker_frozen_for_longer_than_its_session_is_fenced_exits_and_corrupts_nothing(
    kafka: str, tmp_path: Path, freezes: int
) -> None:
    async with Laboratory(kafka, tmp_path) as lab:
        await lab.create_topics()
        frozen, other = lab.worker("a", LAB_STEP_MICROS=100), lab.worker("b", LAB_STEP_MICROS=100).start()
        async with lab.under_load(keys=2_000, per_second=PER_SECOND, backlog=BACKLOG):
            for _ in range(freezes):
                frozen.start()
                await lab.until_members("a", "b")
                await lab.until_derived(lab.rng.randrange(1, 8_000))
                frozen.freeze()
                await lab.until_members("b")
                await lab.until_derived(1_000)
                frozen.thaw()
                assert await frozen.exit_code() == 1
        await lab.until_committed()
        assert await other.terminate() == 0

        assert frozen.log.count("fenced") == freezes
        (await lab.audit()).assert_sound()


async def test_what_waits_to_be_sent_when_a_worker_freezes_is_never_sent_behind_the_new_owner(
    kafka: str, tmp_path: Path
) -> None:
    """The fence was asked before the freeze; the changelog records leave, if they do, after the new owner's."""
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        await lab.send(numbered(lab.rng, range(4_000), keys=100, name="before"))
        frozen, other = lab.worker("a"), lab.worker("b")
        frozen.start(LAB_KILL_AT=FROZEN)
        await eventually(lambda: frozen.is_stopped, "the worker freezes itself")
        other.start()
        await lab.until_members("b")
        await lab.send(numbered(lab.rng, range(4_000), keys=100, name="after"))
        await lab.until_committed()
        frozen.thaw()
        assert await frozen.exit_code(seconds=40) == 1
        assert await other.terminate() == 0

        (await lab.audit()).assert_sound()
