"""Fetch sessions: what a request names, and what its answer means for the next one."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import (
    FetchSessionIdNotFound,
    InvalidFetchSessionEpoch,
    KafkaConnectionError,
    KafkaError,
    KafkaStorageError,
)
from aiokafka.protocol.fetch import FetchRequest_v4, FetchRequest_v11, FetchResponse_v4, FetchResponse_v11
from hypothesis import given
from hypothesis import strategies as st

from bridge_app.kafka_fetch_sessions import LAST_EPOCH, Session, SessionClient, SessionFetcher, SessionRequest

A, B, C = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)
LIMITS = {"max_wait_time": 250, "min_bytes": 1, "max_bytes": 1000, "isolation_level": 0}


def request(session: Session, wanted: dict[TopicPartition, int]) -> SessionRequest:
    return SessionRequest(session, wanted, 100, **LIMITS)


def answer(*partitions: TopicPartition, session: int = 7, error: int = 0) -> FetchResponse_v11:
    return FetchResponse_v11(0, error, session, [(tp.topic, [(tp.partition, 0)]) for tp in partitions])


def ask(session: Session, wanted: dict[TopicPartition, int]) -> tuple[int, int, dict[TopicPartition, int], Any]:
    """Send a request and return its session, its epoch, what it names and what it wants to be forgotten."""
    asked = request(session, wanted)
    built = asked.build(FetchRequest_v11)
    built.encode()
    named = {
        TopicPartition(topic, partition): offset
        for topic, partitions in built.topics
        for partition, _leader_epoch, offset, _log_start, _max_bytes in partitions
    }
    asked.answered(answer())
    return built.session_id, built.session_epoch, named, built.forgotten_topics_data


def test_the_first_fetch_names_everything_and_later_ones_what_has_moved() -> None:
    session = Session()
    assert ask(session, {A: 0, B: 5, C: 1}) == (0, 0, {A: 0, B: 5, C: 1}, [])
    assert ask(session, {A: 0, B: 5, C: 1}) == (7, 1, {}, [])
    assert ask(session, {A: 0, B: 6, C: 1}) == (7, 2, {B: 6}, [])


def test_what_is_not_wanted_now_is_forgotten_and_named_again_when_it_is() -> None:
    session = Session()
    ask(session, {A: 0, B: 0, C: 0})
    assert ask(session, {A: 0}) == (7, 1, {}, [("t", [1]), ("u", [0])])
    assert ask(session, {A: 0, C: 0}) == (7, 2, {C: 0}, [])


def test_one_goes_while_another_comes() -> None:
    session = Session()
    ask(session, {A: 0, B: 0})
    assert ask(session, {A: 0, C: 3}) == (7, 1, {C: 3}, [("t", [1])])


@pytest.mark.parametrize("error", [FetchSessionIdNotFound, InvalidFetchSessionEpoch])
def test_a_session_that_the_broker_does_not_know_is_begun_anew(error: type[Any]) -> None:
    session = Session()
    ask(session, {A: 0})
    lost = request(session, {A: 1})
    lost.build(FetchRequest_v11)
    lost.answered(answer(session=0, error=error.errno))
    assert lost.topics == []
    assert ask(session, {A: 1}) == (7, 0, {A: 1}, [])


def test_a_broker_without_room_for_sessions_is_told_everything_each_time() -> None:
    session = Session()
    for _ in range(2):
        asked = request(session, {A: 0})
        built = asked.build(FetchRequest_v11)
        asked.answered(answer(session=0))
        assert (built.session_id, built.session_epoch, len(built.topics)) == (0, 0, 1)


def test_after_the_last_epoch_comes_the_second() -> None:
    session = Session()
    ask(session, {A: 0})
    session.epoch = LAST_EPOCH
    ask(session, {A: 0})
    assert session.epoch == 1


def test_an_answered_request_shows_where_the_broker_read_what_it_answered() -> None:
    session = Session()
    ask(session, {A: 4, B: 5, C: 6})
    asked = request(session, {A: 4, B: 5, C: 7})
    asked.build(FetchRequest_v11)
    asked.answered(answer(B, C))
    assert asked.topics == [("t", [(1, 5, 100)]), ("u", [(0, 7, 100)])]


def test_an_answer_about_what_was_not_asked_is_refused() -> None:
    asked = request(Session(), {A: 0})
    asked.build(FetchRequest_v11)
    with pytest.raises(KafkaError, match="not in its session"):
        asked.answered(answer(B))


def test_another_error_of_the_broker_is_raised() -> None:
    asked = request(Session(), {A: 0})
    asked.build(FetchRequest_v11)
    with pytest.raises(KafkaStorageError):
        asked.answered(answer(error=KafkaStorageError.errno))


def test_a_broker_without_sessions_is_told_everything() -> None:
    session = Session()
    for _ in range(2):
        asked = request(session, {A: 0, B: 1})
        built = asked.build(FetchRequest_v4)
        built.encode()
        asked.answered(FetchResponse_v4(0, []))
        assert built.topics == asked.topics == [("t", [(0, 0, 100), (1, 1, 100)])]


@given(st.lists(st.dictionaries(st.sampled_from([A, B, C]), st.integers(0, 3))))
def test_the_broker_always_knows_what_is_wanted(steps: list[dict[TopicPartition, int]]) -> None:
    session, known = Session(), dict[TopicPartition, int]()
    for wanted in steps:
        _, _, named, forgotten = ask(session, wanted)
        for topic, partitions in forgotten:
            for partition in partitions:
                del known[TopicPartition(topic, partition)]
        known.update(named)
        assert known == wanted


class Broker:
    """A client that answers with `answer`, or raises it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def send(self, _node: int, request: Any) -> Any:
        if isinstance(request, SessionRequest):
            request.build(FetchRequest_v11)
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


@pytest.mark.parametrize("failure", [KafkaConnectionError(), asyncio.CancelledError(), answer(B), answer(error=3)])
async def test_after_a_fetch_that_failed_the_next_one_names_everything(failure: Any) -> None:
    session = Session()
    ask(session, {A: 0})
    with pytest.raises((KafkaError, asyncio.CancelledError)):
        await SessionClient(Broker(failure)).send(1, request(session, {A: 0}))
    assert ask(session, {A: 0}) == (7, 0, {A: 0}, [])


async def test_other_requests_pass_through() -> None:
    assert await SessionClient(Broker("answer")).send(1, "request") == "answer"


# -- the fetcher


class Lab:
    """A fetcher whose partitions have the leaders that are given."""

    def __init__(self, fetcher: SessionFetcher, leaders: dict[TopicPartition, int | None]) -> None:
        self.fetcher = fetcher
        self.assignment = Assignment(list(leaders))
        self.cluster = fetcher._client.cluster
        self.elect(leaders)

    def elect(self, leaders: dict[TopicPartition, int | None]) -> None:
        self.cluster._partitions = {}
        self.cluster.leader_for_partition = leaders.get

    def seek(self, **positions: int) -> None:
        names = {"a": A, "b": B, "c": C}
        for name, position in positions.items():
            self.assignment.state_value(names[name]).seek(position)

    def wanted(self) -> dict[int, dict[TopicPartition, int]]:
        """Return what is fetched of each broker now."""
        requests = self.fetcher._get_actions_per_node(self.assignment)[0]
        return {node: dict(request._wanted) for node, request in requests}


@pytest.fixture
async def lab() -> Any:
    made: list[SessionFetcher] = []

    def make(**leaders: int | None) -> Lab:
        client = SimpleNamespace(
            _loop=asyncio.get_running_loop(), _metadata_max_age_ms=1000, cluster=SimpleNamespace(_partitions={})
        )
        subscriptions = SimpleNamespace(
            register_fetch_waiters=lambda waiters: None,
            subscription=None,
            wait_for_assignment=asyncio.get_running_loop().create_future,
        )
        made.append(SessionFetcher(client, subscriptions))
        names = {"a": A, "b": B, "c": C}
        return Lab(made[-1], {names[name]: leader for name, leader in leaders.items()})

    yield make
    for fetcher in made:
        await fetcher.close()


class Waiting:
    """Records that are still to be taken."""

    def __init__(self, backoff: float) -> None:
        self._backoff = backoff

    def calculate_backoff(self) -> float:
        return self._backoff


Make = Callable[..., Lab]


async def test_each_broker_is_asked_for_what_it_leads(lab: Make) -> None:
    it = lab(a=1, b=2, c=1)
    it.seek(a=1, b=2, c=3)
    assert it.wanted() == {1: {A: 1, C: 3}, 2: {B: 2}}


async def test_a_broker_that_is_being_asked_is_not_asked(lab: Make) -> None:
    it = lab(a=1, b=2)
    it.seek(a=0, b=0)
    it.fetcher._in_flight.add(1)
    assert it.wanted() == {2: {B: 0}}


async def test_a_broker_with_records_to_be_taken_is_asked_for_the_others_only_later(lab: Make) -> None:
    it = lab(a=1, b=1)
    it.seek(a=0, b=0)
    it.fetcher._records[A] = Waiting(0.05)
    requests, _, wait, _, _ = it.fetcher._get_actions_per_node(it.assignment)
    assert (requests, wait) == ([], 0.05)
    it.fetcher._records[A] = Waiting(0)
    assert it.wanted() == {1: {B: 0}}


async def test_a_paused_partition_is_left_out_until_it_goes_on(lab: Make) -> None:
    it = lab(a=1, b=1)
    it.seek(a=0, b=0)
    state = it.assignment.state_value(A)
    state.pause()
    assert it.fetcher._get_actions_per_node(it.assignment)[4] == [state.resume_fut]
    assert it.wanted() == {1: {B: 0}}
    state.resume()
    assert it.wanted() == {1: {A: 0, B: 0}}


async def test_a_partition_without_a_position_is_looked_for_first(lab: Make) -> None:
    it = lab(a=1, b=1)
    it.seek(b=0)
    requests, resets, *_ = it.fetcher._get_actions_per_node(it.assignment)
    assert (requests, resets) == ([], {1: [A]})


@pytest.mark.parametrize("nobody", [None, -1])
async def test_a_partition_without_a_leader_waits_for_one(lab: Make, nobody: int | None) -> None:
    it = lab(a=nobody, b=1)
    it.seek(a=0, b=0)
    assert it.fetcher._get_actions_per_node(it.assignment)[3]
    assert it.wanted() == {1: {B: 0}}
    it.elect({A: 2, B: 1})
    assert it.wanted() == {2: {A: 0}, 1: {B: 0}}
    assert not it.fetcher._get_actions_per_node(it.assignment)[3]


async def test_a_new_assignment_begins_new_sessions(lab: Make) -> None:
    it = lab(a=1)
    it.seek(a=0)
    ((_, asked),) = it.fetcher._get_actions_per_node(it.assignment)[0]
    asked.build(FetchRequest_v11)
    asked.answered(answer())
    it.assignment = Assignment([A])
    it.seek(a=0)
    ((_, asked),) = it.fetcher._get_actions_per_node(it.assignment)[0]
    built = asked.build(FetchRequest_v11)
    assert (built.session_id, built.session_epoch, len(built.topics)) == (7, 0, 1)


async def test_it_decides_as_the_fetcher_that_it_replaces(lab: Make) -> None:
    it = lab(a=1, b=2, c=None)
    it.seek(a=3)
    it.fetcher._default_reset_strategy = 0
    theirs = Fetcher._get_actions_per_node(it.fetcher, it.assignment)
    ours = it.fetcher._get_actions_per_node(it.assignment)
    assert [node for node, _ in theirs[0]] == [node for node, _ in ours[0]] == [1]
    assert dict(theirs[1]) == ours[1] == {2: [B]}
    assert theirs[2:] == ours[2:]
