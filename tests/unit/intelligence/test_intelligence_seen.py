"""What an observation is recognised by (intelligence §1, §5)."""

from uuid import UUID, uuid5

import pytest

from bridge_app.domain.intelligence.seen import IDS, Seen
from bridge_app.events.intelligence import CohortObservation, Origin

PARTITIONS = 4


def observation(cause_id: UUID, origin: Origin | None = None) -> CohortObservation:
    return CohortObservation(cause_id=cause_id, origin=origin, service="svc", startup_time_ms=1)


def numbered(number: int) -> UUID:
    return uuid5(UUID(int=3), str(number))


def seen_of(*observations: CohortObservation) -> Seen:
    seen = Seen()
    for one in observations:
        assert not seen.has(one)
        seen = seen.with_(one, PARTITIONS, 0)
    return seen


def test_the_last_256_ids_are_known() -> None:
    seen = seen_of(*(observation(numbered(number)) for number in range(IDS + 1)))
    assert IDS == 256
    assert not seen.has(observation(numbered(0)))
    assert all(seen.has(observation(numbered(number))) for number in range(1, IDS + 1))
    assert len(seen.ids) == 16 * IDS


def test_parts_of_two_ids_are_no_id() -> None:
    one, two = numbered(1), numbered(2)
    between = UUID(bytes=one.bytes[5:] + two.bytes[:5])
    seen = seen_of(observation(one), observation(two))
    assert not seen.has(observation(between))
    assert seen.with_(observation(between), PARTITIONS, 0).has(observation(between))


@pytest.mark.parametrize(("offset", "known"), [(4, True), (5, True), (6, False)])
def test_positions_up_to_the_last_one_are_known(offset: int, known: bool) -> None:
    seen = seen_of(observation(numbered(1), Origin("t", 0, 5)))
    assert seen.has(observation(numbered(2), Origin("t", 0, offset))) is known
    assert not seen.has(observation(numbered(2), Origin("t", 1, offset)))
    assert not seen.has(observation(numbered(2), Origin("u", 0, offset)))


def test_the_partition_that_was_silent_longest_is_forgotten() -> None:
    seen = seen_of(
        *(observation(numbered(number), Origin("t", number, 9)) for number in range(PARTITIONS)),
        observation(numbered(90), Origin("t", 0, 10)),
        observation(numbered(91), Origin("t", 99, 9)),
    )
    assert sorted(seen.offsets) == ["t:0", "t:2", "t:3", "t:99"]
