"""What a worker keeps of answers under idempotency keys (conventions §5)."""

from itertools import permutations
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app.domain.idempotency import Answer, KeptAnswers, Scope, body_hash, to_event
from tests.unit.web.http_worker import IDENTITY

SECOND = 1_000_000


def answer(time_us: int, body: bytes = b"{}") -> Answer:
    return Answer(body_hash(b"x"), 200, body, {}, "c", time_us)


def test_the_id_of_an_event_is_derived_from_the_key_and_its_scope() -> None:
    namespace = UUID("d9c8b8dc-969b-50b1-8d91-b959c51123b0")
    scope = Scope("acme", "POST", "/hooks/batch", "k")
    assert scope.event_id(2) == str(uuid5(namespace, "http|acme|POST /hooks/batch|k|2"))
    assert scope._replace(tenant=None).event_id() == str(uuid5(namespace, "http||POST /hooks/batch|k|0"))


@pytest.mark.parametrize(
    "other",
    [
        Scope("t2", "POST", "/p", "k"),
        Scope("t", "PUT", "/p", "k"),
        Scope("t", "POST", "/q", "k"),
        Scope("t", "POST", "/p", "l"),
        Scope(None, "POST", "/p", "k"),
        Scope("t", "POST", "/p\0k", ""),
    ],
)
def test_scopes_do_not_meet(other: Scope) -> None:
    assert other.digest() != Scope("t", "POST", "/p", "k").digest()


def test_an_answer_survives_the_way_over_the_topic() -> None:
    scope = Scope("t", "POST", "/p", "k")
    sent = Answer(body_hash(b"b"), 201, '{"ü": 1}'.encode(), {"Location": "/x"}, "c-1", 5)
    kept = KeptAnswers(ttl_seconds=60, most_keys=10)

    event = to_event(scope, sent, "a" * 32, IDENTITY)
    kept.apply(event, 6)
    kept.apply(event, 7)

    assert event.event_id == to_event(scope, answer(9), "b" * 32, IDENTITY).event_id
    assert kept.find(scope.digest(), 8) == sent
    assert len(kept) == 1
    with pytest.raises(ValueError, match="body_hash"):
        kept.apply(msgspec.structs.replace(event, payload={}), 8)


def test_an_answer_is_kept_for_its_time() -> None:
    kept = KeptAnswers(ttl_seconds=1, most_keys=10)
    kept.put("a", answer(0), 0)

    assert kept.find("a", SECOND - 1) is not None
    assert kept.find("a", SECOND) is None
    kept.put("late", answer(0), SECOND)
    assert kept.find("late", 0) is None
    kept.put("b", answer(SECOND), SECOND)
    assert len(kept) == 1


def test_the_oldest_goes_first_whatever_the_order_of_arrival() -> None:
    kept = KeptAnswers(ttl_seconds=60, most_keys=2)
    for time_us in (3, 1, 2, 4):
        kept.put(f"k{time_us}", answer(time_us), 4)

    assert [time_us for time_us in (1, 2, 3, 4) if kept.find(f"k{time_us}", 4)] == [3, 4]


def test_large_answers_push_out_old_ones() -> None:
    kept = KeptAnswers(ttl_seconds=60, most_keys=100, most_bytes=10)
    for number in range(5):
        kept.put(f"k{number}", answer(number, b"12345"), 4)
    kept.put("too large", answer(3, b"x" * 11), 4)

    assert len(kept) <= 2


def test_all_workers_come_to_repeat_the_same_answer() -> None:
    answers = [answer(5, b"first"), answer(5, b"second"), answer(7, b"third")]
    for order in permutations(answers):
        kept = KeptAnswers(ttl_seconds=60, most_keys=10)
        for one in order:
            kept.put("k", one, 8)
        assert kept.find("k", 8) == answers[0]


def test_a_key_that_was_forgotten_and_handled_anew_has_its_new_answer() -> None:
    kept = KeptAnswers(ttl_seconds=1, most_keys=10)
    kept.put("k", answer(0, b"old"), 0)
    kept.put("k", answer(SECOND, b"new"), SECOND)

    found = kept.find("k", SECOND)
    assert found is not None
    assert found.body == b"new"


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 20), st.binary(max_size=4))),
    st.integers(1, 4),
    st.integers(1, 12),
)
def test_whatever_comes_the_limits_hold_and_the_books_are_right(
    puts: list[tuple[str, int, bytes]], most_keys: int, most_bytes: int
) -> None:
    kept = KeptAnswers(ttl_seconds=10 / SECOND, most_keys=most_keys, most_bytes=most_bytes)
    now_us = 0
    for digest, time_us, body in puts:
        now_us = max(now_us, time_us)
        kept.put(digest, answer(time_us, body), now_us)
        found = [kept.find(name, 0) for name in "abcdef"]
        bodies = [one.body for one in found if one is not None]
        assert len(kept) == len(bodies) <= most_keys
        assert kept._bytes == sum(map(len, bodies)) <= most_bytes
