"""A worker killed exactly between two phases of a step ends, after a restart, where it would have ended anyway."""

from pathlib import Path

import pytest

from tests.lab.kill_points import PHASES
from tests.lab.laboratory import Laboratory
from tests.lab.load import numbered

EVENTS = 16_000
#: They may meet a step at any point.
COMMITS = ("before_commit", "after_commit")
#: Before the changelog is durable a replay derives again; once it is, the watermark skips.
DERIVES_AGAIN = {
    "during_derived": True,
    "after_derived": True,
    "during_changelog": True,
    "after_changelog": False,
    "after_rocksdb": False,
}


@pytest.mark.parametrize("phase", PHASES)
async def test_conventions_11_a_worker_killed_between_two_phases_of_a_step_ends_in_the_same_state_with_the_same_ids(
    kafka: str, tmp_path: Path, phase: str
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        await lab.send(numbered(lab.rng, range(EVENTS), keys=3_000))
        worker = lab.worker(LAB_STEP_MICROS=50 if phase in COMMITS else 0)
        countdown = 1 if phase in COMMITS else lab.rng.randint(1, 3)
        assert await worker.start(LAB_KILL_AT=phase, LAB_KILL_STEP=countdown).exit_code() == -9
        await lab.cluster.expel(lab.group, worker.name)

        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0

        audit = await lab.audit()
        audit.assert_sound()
        if phase in DERIVES_AGAIN:
            assert (audit.copies > 0) == DERIVES_AGAIN[phase]
