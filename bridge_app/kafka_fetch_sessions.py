"""Incremental fetch sessions for aiokafka's consumers (KIP-227): a fetch costs what changed, not what is assigned.

aiokafka names every partition of its assignment in each fetch, and the broker answers with each of them. For the
hundreds of partitions that the database adapter has, that is milliseconds on both sides, whatever a fetch brings: at
100 hooks a second a worker spent more than a third of its time on it (measured). In a session the broker remembers what
is fetched. A request names the partitions whose position has changed since, those to forget, and no others; an answer
names those with something new. The rules are those of Java's `FetchSessionHandler`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiokafka.consumer.consumer
from aiokafka import TopicPartition
from aiokafka.errors import FetchSessionIdNotFound, InvalidFetchSessionEpoch, KafkaError, for_code
from aiokafka.protocol.fetch import FetchRequest

from bridge_app.kafka_positions import PositionFetcher

#: The first version of a fetch that has sessions.
FIRST_VERSION = 7
#: The broker starts a session with this epoch, and ends the one whose id is sent along.
INITIAL_EPOCH = 0
LAST_EPOCH = 2**31 - 1
NO_SESSION = 0
NO_LEADER = -1

Positions = Mapping[TopicPartition, int]
Topics = list[tuple[str, list[Any]]]


def keep_sessions() -> None:
    """Let every consumer of aiokafka that is started from now on fetch in sessions."""
    aiokafka.consumer.consumer.Fetcher = SessionFetcher


class Session:
    """What one broker knows of this consumer's fetches."""

    def __init__(self) -> None:
        self.id = NO_SESSION
        self.epoch = INITIAL_EPOCH
        self.positions: dict[TopicPartition, int] = {}

    def restart(self) -> None:
        """Name everything in the next fetch, which begins a new session."""
        self.epoch = INITIAL_EPOCH
        self.positions = {}

    def asked(self, wanted: Positions) -> tuple[list[TopicPartition], list[TopicPartition]]:
        """Take note of what the broker is about to be asked for; return what to name, and what to forget."""
        known = self.positions
        changed = [tp for tp, position in wanted.items() if known.get(tp) != position]
        known.update(wanted)
        forgotten = [] if len(known) == len(wanted) else [tp for tp in known if tp not in wanted]
        for tp in forgotten:
            del known[tp]
        return changed, forgotten

    def answered(self, response: Any) -> None:
        """Take note of an answer; one about an unknown session, or none of ours, lets the next fetch name everything.

        Raises:
            KafkaError: the broker refuses the fetch for another reason, or answers with what was not asked.
        """
        error = for_code(response.error_code)
        if error in (FetchSessionIdNotFound, InvalidFetchSessionEpoch):
            self.restart()
        elif response.error_code:
            raise error()
        elif any(
            TopicPartition(topic, part[0]) not in self.positions for topic, parts in response.topics for part in parts
        ):
            raise KafkaError("the broker answered a fetch with partitions that are not in its session")
        elif response.session_id == NO_SESSION:  # the broker has no room for another session
            self.id = NO_SESSION
            self.restart()
        else:
            self.id = response.session_id
            self.epoch = 1 if self.epoch == LAST_EPOCH else self.epoch + 1


class SessionRequest(FetchRequest):  # type: ignore[misc]  # aiokafka has no types
    """A fetch of partitions at their positions, within a session. It has its `topics` once it is answered."""

    def __init__(self, session: Session, wanted: Positions, partition_bytes: int, **limits: int) -> None:
        super().__init__(**limits, topics=[])
        self._session = session
        self._wanted = wanted
        self._partition_bytes = partition_bytes

    def build(self, request_struct_class: Any) -> Any:
        """Build what is sent: everything for an old broker, else what changed since the last fetch."""
        session = self._session
        if request_struct_class.API_VERSION < FIRST_VERSION:
            session.restart()
        changed, forgotten = session.asked(self._wanted)
        self._topics = _by_topic(changed, lambda tp: (tp.partition, self._wanted[tp], self._partition_bytes))
        built = super().build(request_struct_class)
        if request_struct_class.API_VERSION >= FIRST_VERSION:
            built.session_id, built.session_epoch = session.id, session.epoch
            built.forgotten_topics_data = _by_topic(forgotten, lambda tp: tp.partition)
        return built

    def answered(self, response: Any) -> None:
        """Take note of the answer: from now on `topics` are those in it, at the positions that the broker read from.

        Raises: as `Session.answered`.
        """
        if response.API_VERSION >= FIRST_VERSION:
            self._session.answered(response)
            known, limit = self._session.positions, self._partition_bytes
            self._topics = [
                (topic, [(part[0], known[TopicPartition(topic, part[0])], limit) for part in parts])
                for topic, parts in response.topics
            ]

    def failed(self) -> None:
        """Nobody knows what the broker knows now."""
        self._session.restart()


class SessionClient:
    """A consumer's client, as its fetcher sees it: it tells each `SessionRequest` what became of it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any) -> Any:
        """Send a request and return the response. Raises KafkaError."""
        if not isinstance(request, SessionRequest):
            return await self._client.send(node_id, request)
        try:
            response = await self._client.send(node_id, request)
            request.answered(response)
        except BaseException:
            request.failed()
            raise
        return response


class SessionFetcher(PositionFetcher):
    """aiokafka's fetcher with a session per broker. It reads from leaders only: `client_rack` has no effect."""

    def __init__(self, client: Any, subscriptions: Any, **options: Any) -> None:
        super().__init__(SessionClient(client), subscriptions, **options)
        self._sessions: defaultdict[int, Session] = defaultdict(Session)
        self._leaders: dict[int | None, list[tuple[TopicPartition, Any]]] = {}
        self._known: tuple[Any, Any] = (None, None)

    def _get_actions_per_node(self, assignment: Any) -> tuple[Any, Any, float, bool, list[Any]]:
        """Return the fetches to send, the partitions without a position, the longest wait before this is asked again,
        whether a leader is unknown, and futures that are done when a paused partition goes on.

        As aiokafka's: a broker with records that are still to be taken is not asked for more, but for so long only.
        """
        waits: dict[Any, float] = defaultdict(float)
        for tp, result in self._records.items():
            leader = self._client.cluster.leader_for_partition(tp)
            waits[leader] = max(waits[leader], result.calculate_backoff())
        requests: list[tuple[int, SessionRequest]] = []
        resets: dict[int, list[TopicPartition]] = {}
        resumed: list[Any] = []
        leaders = self._partitions_by_leader(assignment)
        for leader, partitions in leaders.items():
            if leader is None or leader == NO_LEADER or leader in self._in_flight:
                continue
            wanted, lost = self._positions(partitions, resumed)
            if lost:
                resets[leader] = lost
            elif wanted and not waits.get(leader):
                requests.append((leader, self._request(leader, wanted)))
        wait = min((wait for wait in waits.values() if wait), default=self._fetcher_timeout)
        return requests, resets, wait, None in leaders or NO_LEADER in leaders, resumed

    def _positions(
        self, partitions: Sequence[tuple[TopicPartition, Any]], resumed: list[Any]
    ) -> tuple[dict[TopicPartition, int], list[TopicPartition]]:
        """Return what can be fetched of these, at which positions, and what has no position yet."""
        records = self._records
        wanted: dict[TopicPartition, int] = {}
        lost: list[TopicPartition] = []
        for tp, state in partitions:
            position = state._position  # for speed: this runs for every partition, twice for each fetch
            if tp in records:
                continue
            if position is None:
                lost.append(tp)
            elif state._paused:
                resumed.append(state.resume_fut)
            else:
                wanted[tp] = position
        return wanted, lost

    def _partitions_by_leader(self, assignment: Any) -> dict[int | None, list[tuple[TopicPartition, Any]]]:
        """Return the partitions of each leader with their states: found anew with each assignment and each metadata.

        A new assignment begins new sessions.
        """
        known = (assignment, self._client.cluster._partitions)
        if known[0] is not self._known[0]:
            for session in self._sessions.values():
                session.restart()
        if known[0] is not self._known[0] or known[1] is not self._known[1]:
            self._known = known
            self._leaders = defaultdict(list)
            for tp in assignment.tps:
                leader = self._client.cluster.leader_for_partition(tp)
                self._leaders[leader].append((tp, assignment.state_value(tp)))
        return self._leaders

    def _request(self, leader: int, wanted: Positions) -> SessionRequest:
        return SessionRequest(
            self._sessions[leader],
            wanted,
            self._max_partition_fetch_bytes,
            max_wait_time=self._fetch_max_wait_ms,
            min_bytes=self._fetch_min_bytes,
            max_bytes=self._fetch_max_bytes,
            isolation_level=self._isolation_level,
        )


def _by_topic(partitions: Sequence[TopicPartition], entry: Callable[[TopicPartition], Any]) -> Topics:
    grouped: dict[str, list[Any]] = defaultdict(list)
    for tp in partitions:
        grouped[tp.topic].append(entry(tp))
    return list(grouped.items())
