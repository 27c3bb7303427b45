"""What a step cannot handle: an exception is redelivered, a poison record passed over. Stock Faust is the control."""

from pathlib import Path

import orjson

from tests.lab.laboratory import STOCK, Laboratory
from tests.lab.load import Event, event, numbered
from tests.lab.waiting import eventually

EVENTS = 4_000
RAISE_AT = 2_345


async def test_a_step_that_raises_stops_the_worker_and_everything_is_redelivered_after_the_restart(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path) as lab:
        await lab.create_topics()
        events = list(numbered(lab.rng, range(EVENTS), keys=500, name="e"))
        await lab.send(events)
        worker = lab.worker()

        assert await worker.start(LAB_RAISE_AT=RAISE_AT).exit_code() == 1

        source = await lab.cluster.read(lab.topics[0])
        (raising,) = [record for record in source if record.value == events[RAISE_AT].value]
        committed = {tp.partition: offset for tp, offset in (await lab.cluster.committed(lab.group)).items()}
        assert committed.get(raising.partition, 0) <= raising.offset
        assert f"e{RAISE_AT}" in await lab.missing_derived()
        await lab.cluster.expel(lab.group, worker.name)

        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0
        (await lab.audit()).assert_sound()


async def test_the_control_stock_faust_loses_the_event_at_which_its_agent_raises(kafka: str, tmp_path: Path) -> None:
    """The same scenario and the same oracle: what ours survives is a loss without it."""
    async with Laboratory(kafka, tmp_path, module=STOCK) as lab:
        await lab.create_topics()
        await lab.cluster.create(lab.derived, lab.partitions)
        await lab.cluster.create(f"{lab.group}-counts-changelog", lab.partitions)
        await lab.send(numbered(lab.rng, range(EVENTS), keys=500))
        worker = lab.worker()

        worker.start(LAB_RAISE_AT=RAISE_AT)
        await lab.until_committed()
        await worker.terminate()

        missing = await lab.missing_derived()
        assert f"e{RAISE_AT}" in missing, "stock Faust did not lose the event: the scenario proves nothing"


async def test_poison_records_are_passed_over_and_counted_and_the_partition_advances(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        poison = [
            Event(b"k1", b"{"),
            Event(b"k1", b"\xff\xfe"),
            Event(b"k2", b'["only an id"]'),
            Event(b"", b'["x",1]'),
        ]
        await lab.send([event("k1", "e0", 0), *poison[:2], event("k2", "e1", 1), *poison[2:], event("k1", "e2", 2)])
        worker = lab.worker().start()
        await lab.until_committed()
        assert await worker.terminate() == 0

        counts = worker.report["count"]
        assert (counts["applied"], counts["poison"]) == (3, len(poison))
        states = await lab.states()
        assert states == {b"k1": [2, 2], b"k2": [1, 1]}

        # What decodes but is refused by the step is dead-lettered here; the rest is the database adapter's to do.
        (letter,) = [orjson.loads(record.value) for record in await lab.cluster.read(f"{lab.topics[0]}.dlq")]
        assert letter["payload"]["error_type"] == "INVALID_PAYLOAD"
        assert letter["payload"]["original_offset"] == 5
        assert letter["payload"]["agent"] == "count"


async def test_a_worker_of_poison_alone_commits_past_it_and_does_not_read_it_again(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        await lab.send([Event(b"k", b"{")] * 100)
        worker = lab.worker(KAFKA_DLQ_MAX_SHARE=1).start()  # no limit: all of them may be bad
        await lab.until_committed()
        assert await worker.terminate() == 0
        assert worker.report["count"]["poison"] == 100

        worker.start()
        await eventually(lambda: worker.log.count("Worker ready") == 2, "the worker is ready again")
        assert await worker.terminate() == 0
        assert worker.report["count"]["poison"] == 0
