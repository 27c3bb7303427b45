"""A partition that waits holds up no other, and is done when it can go on."""

from pathlib import Path

from tests.lab.laboratory import Laboratory
from tests.lab.load import numbered

#: More than a lane holds: fetching of the stuck partition is held, too.
EVENTS = 40_000
STUCK = 0


async def test_a_partition_that_waits_for_the_broker_does_not_hold_up_the_others(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path) as lab:
        await lab.create_topics()
        worker = lab.worker(LAB_STUCK=STUCK)
        worker.data_folder.mkdir()
        stuck = worker.data_folder / "stuck"
        stuck.touch()
        worker.start()
        for burst in range(2):
            await lab.send(numbered(lab.rng, range(EVENTS // 2), keys=2_000, name=f"burst{burst}-"))
            await lab.until_committed(but=STUCK)
        committed = await lab.cluster.committed(lab.group)
        assert {tp.partition for tp in committed} == {1, 2, 3}

        stuck.unlink()
        await lab.until_committed()
        assert await worker.terminate() == 0
        (await lab.audit()).assert_sound()
