"""kill -9 at random points under load: table, changelog and recount agree, every derived event has one id."""

from pathlib import Path

import pytest

from tests.lab.laboratory import Laboratory
from tests.lab.marks import LONG

KILLS = [pytest.param(3, id="3 kills"), pytest.param(30, id="30 kills", marks=LONG)]
BACKLOG = 8_000


@pytest.mark.parametrize("kills", KILLS)
async def test_table_changelog_and_recount_agree_after_kill_9_under_load_with_the_disk_kept_and_wiped(
    kafka: str, tmp_path: Path, kills: int
) -> None:
    async with Laboratory(kafka, tmp_path) as lab:
        await lab.create_topics()
        worker = lab.worker()
        async with lab.under_load(keys=4_000, per_second=4_000, backlog=BACKLOG):
            for life in range(kills):
                worker.start()
                await lab.until_derived(lab.rng.randrange(1, BACKLOG))
                await lab.kill(worker)
                if life % 2:
                    worker.wipe()
            worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0

        (await lab.audit()).assert_sound()
