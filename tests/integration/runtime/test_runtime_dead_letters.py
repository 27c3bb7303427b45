"""The agents' dead-letter limit, and dead-letter topics that are gone (hooks §10)."""

from pathlib import Path

from tests.lab.laboratory import Laboratory
from tests.lab.load import Event, event, numbered
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

GOOD, BAD = 10, 40
#: A record that the agent dead-letters itself: what nobody can decode is the database adapter's.
REFUSED = Event(b"", b'["x",1]')
#: Of the bad ones so many are passed over: with 10 good ones before them the 11th makes more than half.
PASSED_OVER = 11 - 1


async def committed(lab: Laboratory) -> int:
    return sum((await lab.cluster.committed(lab.group)).values())


async def until_stopped(worker: Worker, times: int = 1) -> None:
    await eventually(lambda: worker.log.count("topic_stopped") >= times, "the topic stops")


def drained(lab: Laboratory) -> list[Event]:
    """Return good events, then so many bad ones that their topic stops, then good ones."""
    first = list(numbered(lab.rng, range(GOOD), keys=5))
    return [*first, *[REFUSED] * BAD, *numbered(lab.rng, range(GOOD, 2 * GOOD), keys=5)]


async def test_a_topic_at_its_limit_stops_at_that_record_and_the_other_topics_go_on(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, topics=("lab.a", "lab.b"), partitions=1) as lab:
        await lab.create_topics()
        bad, good = lab.topics
        await lab.send(drained(lab), topic=0)
        worker = lab.worker().start()
        await until_stopped(worker)
        await lab.send(numbered(lab.rng, range(500), keys=5, name="later"), topic=1)

        async def there() -> bool:
            found = {tp.topic: offset for tp, offset in (await lab.cluster.committed(lab.group)).items()}
            return found == {bad: GOOD + PASSED_OVER, good: 500}

        await eventually(there, "the other topic is done, and this one committed up to the record that stopped it")
        assert f"count stopped topic {bad}" in worker.log
        assert await worker.terminate() == 0
        assert (worker.report["count"]["applied"], worker.report["count"]["poison"]) == (GOOD + 500, PASSED_OVER)


async def test_nothing_of_a_stopped_topic_is_lost_after_a_restart(kafka: str, tmp_path: Path) -> None:
    """Each restart judges anew: 20 bad records pass, the 21st stops the topic; then the rest goes through."""
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        await lab.send(drained(lab))
        worker = lab.worker()
        for stops in (1, 2):
            worker.start()
            await until_stopped(worker, stops)
            assert await worker.terminate() == 0
        worker.start()
        await lab.until_committed()
        assert await worker.terminate() == 0

        good = [one for one in drained(lab) if one != REFUSED]
        derived = await lab.cluster.read(lab.derived)
        assert len({record.value for record in derived}) == len(good)
        states = await lab.states()
        assert sum(events for events, _ in states.values()) == len(good)
        assert sum(total for _, total in states.values()) == sum(range(2 * GOOD))


async def test_a_resumed_topic_is_read_from_the_record_at_which_it_stopped(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        await lab.send(drained(lab))
        worker = lab.worker().start(LAB_RESUME=1)
        await lab.until_committed()
        # It is read from what was committed on: where that lags, some of the bad ones are counted once more.
        assert worker.log.count("topic_stopped") >= 2
        assert await worker.terminate() == 0

        states = await lab.states()
        assert sum(events for events, _ in states.values()) == 2 * GOOD
        assert sum(total for _, total in states.values()) == sum(range(2 * GOOD))


async def test_without_dead_letters_the_first_bad_record_stops_its_topic(kafka: str, tmp_path: Path) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        await lab.send([event("k1", "e0", 0), REFUSED, event("k1", "e2", 2)])
        worker = lab.worker(KAFKA_ENABLE_DLQ="false").start()
        await until_stopped(worker)

        async def one() -> bool:
            return await committed(lab) == 1

        await eventually(one, "what came before is committed")
        assert await worker.terminate() == 0
        assert await lab.cluster.read(f"{lab.topics[0]}.dlq") == []
        assert await lab.states() == {b"k1": [1, 0]}


async def test_a_dead_letter_topic_that_was_deleted_is_made_again_by_the_agent_that_needs_it(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, partitions=1) as lab:
        await lab.create_topics()
        await lab.send([REFUSED])
        worker = lab.worker().start()
        await lab.until_committed()
        await lab.cluster.delete(f"{lab.topics[0]}.dlq")
        await lab.send([Event(b"", b'["y",1]'), event("k1", "e1", 1)])
        await lab.until_committed(seconds=60)

        (letter,) = await lab.cluster.read(f"{lab.topics[0]}.dlq")
        assert b'"original_offset":1' in letter.value
        assert await worker.terminate() == 0
