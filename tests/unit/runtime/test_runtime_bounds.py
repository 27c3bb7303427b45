"""The keys of a partition have a limit: who leaves, and that a replay after a kill makes the same ones leave."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import orjson
import pytest

from bridge_app.domain import Outcome
from bridge_app.runtime.due import FEW, DueIndex
from bridge_app.runtime.step_agent import Timers
from tests.unit.runtime.step_rig import DERIVED, Count, Input, Rig, put, tick

LIMIT = 3


async def test_a_key_too_many_makes_the_one_leave_that_was_updated_longest_ago(tmp_path: Path) -> None:
    rig = Rig(tmp_path, LIMIT)
    await rig.do(put(0, "a"), put(1, "b"), put(2, "c"), put(3, "a"), put(4, "d"))
    assert rig.state("b") == (1, 1)

    rig.forget_caches()
    await rig.do(tick(5))
    assert {key: rig.state(key) for key in "abcd"} == {"a": (2, 2), "b": (0, 1), "c": (1, 1), "d": (1, 1)}
    await rig.do(put(6, "b"), tick(7))  # it goes on with what remained of it
    assert (rig.state("b"), rig.state("c")) == ((1, 2), (0, 1))


async def test_what_remains_of_keys_has_a_limit_too(tmp_path: Path) -> None:
    rig = Rig(tmp_path, LIMIT)
    await rig.do(*(put(offset, f"k{offset:02}") for offset in range(20)), tick(20))

    rows = {key: row.state.events for key, row in rig.table.scan(0) if row.state is not None}
    assert rows == {b"k14": 0, b"k15": 0, b"k16": 0, b"k17": 1, b"k18": 1, b"k19": 1}


async def test_a_step_ends_with_a_tick_that_made_keys_leave(tmp_path: Path) -> None:
    """Else a kill in the middle of the changelog leaves rows that hide from the replay who has to leave."""
    rig = Rig(tmp_path, LIMIT)
    rig.derives = False
    await rig.do(put(0, "a"), tick(1), put(2, "b"), put(3, "c"), put(4, "d"), tick(5), put(6, "a"))

    assert [key for key, _value in rig.broker.changes(rig.changelog)] == [
        b"a", b"b", b"c", b"d", b"\x00watermark", b"a", b"\x00watermark",
    ]  # fmt: skip


def test_deadlines_that_are_put_off_again_and_again_do_not_pile_up() -> None:
    index = DueIndex()
    for due in range(10_000):
        index.put(b"k", due)
        index.put(b"far", 10**9 - due)
    assert len(index._heap) <= FEW + 2 * len(index) + 1
    assert (index.pop(10**9), index.pop(10**9), index.pop(10**9)) == (b"k", b"far", None)


async def test_a_deadline_that_moves_away_with_a_setting_is_kept(tmp_path: Path) -> None:
    rig, due = Rig(tmp_path, LIMIT), 5

    def elapse(_key: str, _state: Count, _now: int) -> Outcome[Count]:
        return Outcome(None)

    rig.agent.timers = Timers(lambda event: event[1] if event[0] == "tick" else None, lambda _state: due, elapse)
    await rig.do(put(0, "a"))
    due = 9
    await rig.do(tick(1, now=5), tick(2, now=8))
    assert rig.state("a") == (1, 1)
    await rig.do(tick(3, now=9))
    assert rig.state("a") is None


def derived(rig: Rig) -> set[tuple[str, bytes, bytes]]:
    """Return what was derived: id, key and payload."""
    events = [(orjson.loads(value or b""), key) for key, value in rig.broker.changes(DERIVED)]
    return {(event["event_id"], key, orjson.dumps(event["payload"])) for event, key in events}


def rows(rig: Rig) -> dict[bytes, Count | None]:
    return {key: row.state for key, row in rig.table.scan(0)}


def some_records(seed: int) -> Sequence[Input]:
    random = Random(seed)
    return [
        tick(offset) if random.random() < 0.3 else put(offset, random.choice("abcdefgh")) for offset in range(24)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
async def test_a_replay_after_a_kill_in_the_middle_of_the_changelog_makes_the_same_keys_leave(
    tmp_path: Path, seed: int
) -> None:
    records = some_records(seed)
    whole = Rig(tmp_path / "whole", LIMIT)
    await whole.do(*records)
    changes = whole.broker.changes(whole.changelog)

    for survived in range(len(changes)):
        rig = Rig(tmp_path / str(survived), LIMIT)
        rig.table._apply(0, changes[:survived], 0)
        await rig.do(*records)
        assert {key: state for key, state in rows(rig).items() if state} == {
            key: state for key, state in rows(whole).items() if state
        }
        assert derived(rig) <= derived(whole)
