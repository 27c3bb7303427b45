"""The order inside a step: what waits for which acknowledgement, and what a replay skips."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, NotEnoughReplicasError

from bridge_app.errors import Fenced
from bridge_app.runtime import producer
from bridge_app.runtime.rows import WATERMARK_KEY
from tests.unit.runtime.step_rig import BATCH_RECORDS, DERIVED, GENERATION, SOURCE, Input, Rig, put


@pytest.fixture
async def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_nothing_goes_to_the_changelog_before_every_derived_event_is_acknowledged(rig: Rig) -> None:
    """Else a kill leaves the changelog durable and a derived event not, and the watermark skips it for ever."""
    step = rig.step([put(offset, "k") for offset in range(2 * BATCH_RECORDS)])
    await rig.idle()
    assert rig.broker.waiting == [DERIVED, DERIVED]
    rig.broker.acknowledge()
    await rig.idle()
    assert rig.broker.waiting == [DERIVED]
    rig.broker.acknowledge()
    await rig.idle()
    assert rig.broker.waiting == [rig.changelog]
    await rig.finish(step)


async def test_rocksdb_is_written_and_the_step_done_when_all_of_the_changelog_is_acknowledged_and_not_before(
    rig: Rig,
) -> None:
    """Else a kill leaves state, or a committed offset, that no changelog knows."""
    rig.derives = False
    step = rig.step([put(offset, f"k{offset}") for offset in range(BATCH_RECORDS)])
    await rig.idle()
    assert rig.broker.waiting == [rig.changelog, rig.changelog]
    assert (step.done(), rig.state("k0")) == (False, None)
    rig.broker.acknowledge()
    await rig.idle()
    assert (step.done(), rig.state("k0")) == (False, None)
    rig.broker.acknowledge()
    await step
    assert rig.state("k0") == (1, 1)


async def test_the_partitions_watermark_is_the_last_change_of_a_step(rig: Rig) -> None:
    """Else a kill leaves the watermark without the rows that it speaks for."""
    await rig.do(*(put(offset, f"k{offset}") for offset in range(5)))

    assert [key for key, _value in rig.broker.changes(rig.changelog)].index(WATERMARK_KEY) == 5
    rig.forget_caches()
    assert rig.table.watermarks(0) == {"rig.in": 4}


async def test_nothing_goes_to_the_changelog_when_the_group_moves_on_while_derived_events_are_sent(rig: Rig) -> None:
    """The new owner has read the changelog by then: what comes behind it would undo its work."""
    step = rig.step([put(0, "k")])
    await rig.idle()
    rig.app.consumer_generation_id = GENERATION + 1
    rig.broker.acknowledge()
    await rig.idle()

    assert rig.broker.changes(rig.changelog) == []
    with pytest.raises(Fenced, match="moved on"):
        await step


async def test_rocksdb_is_not_written_when_the_group_moves_on_while_the_changelog_is_sent(rig: Rig) -> None:
    """The partition's database may have been given away, or recovered beyond this step, meanwhile."""
    rig.derives = False
    step = rig.step([put(0, "k")])
    await rig.idle()
    rig.app.consumer_generation_id = GENERATION + 1
    rig.broker.acknowledge()
    await rig.idle()

    assert rig.state("k") is None
    with pytest.raises(Fenced, match="moved on"):
        await step


async def test_what_the_broker_did_not_take_is_sent_again_until_it_does(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "SEND", (0.0, 5.0))
    step = rig.step([put(0, "k")])
    for topic in (DERIVED, rig.changelog):
        for _ in range(3):
            await rig.idle()
            assert rig.broker.waiting == [topic]
            rig.broker.refuse(NotEnoughReplicasError())
        await rig.idle()
        assert rig.broker.waiting == [topic]
        rig.broker.acknowledge()
    await asyncio.wait_for(step, 5)
    assert rig.state("k") == (1, 1)


async def test_a_client_that_has_no_room_for_a_batch_in_time_is_asked_again(rig: Rig) -> None:
    """Behind a backlog, on a slow broker: a worker that ended for it would find the same backlog again."""
    rig.broker.has_room = False
    step = rig.step([put(0, "k")])
    await rig.idle()
    assert not step.done()

    rig.broker.has_room = True
    await rig.finish(step)
    assert rig.state("k") == (1, 1)


@pytest.mark.parametrize("phase", ["derived", "changelog"])
async def test_a_step_of_which_the_broker_refuses_one_batch_for_good_fails_and_changes_no_state(
    rig: Rig, phase: str
) -> None:
    rig.derives = phase == "derived"
    step = rig.step([put(offset, f"k{offset}") for offset in range(2 * BATCH_RECORDS - 1)])
    await rig.idle()
    assert rig.broker.waiting == [DERIVED if rig.derives else rig.changelog] * 2
    rig.broker.refuse(MessageSizeTooLargeError())
    rig.broker.acknowledge()
    await rig.idle()

    assert rig.broker.waiting == []
    assert rig.state("k0") is None
    with pytest.raises(KafkaError):
        await step


async def test_a_replay_skips_what_its_keys_row_has_applied_though_the_watermark_was_lost(rig: Rig) -> None:
    await rig.do(put(0, "a"), put(1, "b"))
    rig.lose_watermark()

    await rig.do(put(0, "a"), put(1, "b"), put(2, "a"))

    assert (rig.state("a"), rig.state("b")) == ((2, 2), (1, 1))


async def test_a_replay_skips_what_the_partitions_watermark_covers_though_its_key_is_forgotten(rig: Rig) -> None:
    await rig.do(put(0, "a"))
    await rig.do(put(1, "a", -1))
    await rig.do(put(2, "b"))  # with this step the tombstone of the key is written
    rig.forget_caches()
    sent = len(rig.broker.sent)

    await rig.do(put(0, "a"), put(1, "a", -1), put(2, "b"))

    assert (rig.state("a"), rig.state("b")) == (None, (1, 1))
    assert rig.broker.sent[sent:] == []


async def test_a_forgotten_key_is_a_grave_with_its_watermark_until_the_partitions_watermark_is_durable(
    rig: Rig,
) -> None:
    await rig.do(put(0, "a"))
    await rig.do(put(1, "a", -1))
    assert dict(rig.broker.changes(rig.changelog))[b"a"] is not None

    await rig.do(put(2, "b"))

    assert dict(rig.broker.changes(rig.changelog))[b"a"] is None
    assert rig.table.read(0, b"a") is None


async def test_records_that_the_adapter_dead_letters_are_counted_and_stop_nothing(rig: Rig) -> None:
    await rig.do(*(Input(offset, b"k", b"{") for offset in range(200)), put(200, "k"))

    assert (rig.agent.counts.poison, rig.state("k")) == (200, (1, 1))
    assert rig.app.guard.stopped == {}
    assert rig.broker.changes(f"{SOURCE}.dlq") == []


async def test_a_resumed_topic_clears_its_alarm(rig: Rig) -> None:
    cleared: list[object] = []
    rig.app.clear_alarm = lambda error_type, context: cleared.append((error_type, context))
    rig.app.consumer = cast(Any, SimpleNamespace(read_again=AsyncMock()))
    await rig.do(*(Input(offset, b"", b'["event-0",1]') for offset in range(21)))
    assert set(rig.app.guard.stopped) == {SOURCE}
    assert cleared == []

    assert await rig.agent.resume(SOURCE)
    assert cleared == [("TOPIC_STOPPED", {"agent": "count", "topic": SOURCE})]
    assert rig.app.guard.stopped == {}
