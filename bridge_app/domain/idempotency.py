"""Idempotency keys: what was answered under a key, and for how long it is kept (conventions §5)."""

import heapq
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from blake3 import blake3

from bridge_app import ids
from bridge_app.events.envelope import Event, Identity

EVENT_TYPE = "http.idempotency.recorded"
#: Answers of hooks are about 1 KiB; those of large batches must not fill the memory before the number of keys does.
MOST_BYTES = 128 * 1024 * 1024


class Scope(NamedTuple):
    """An idempotency key and where it counts."""

    tenant: str | None
    method: str
    path: str
    key: str

    def event_id(self, index: int = 0) -> str:
        """Return the id of the root event of item `index`."""
        return ids.http_root(self.tenant, self.method, self.path, self.key, index)

    def digest(self) -> str:
        """Return the hash under which the scope is known to all workers, in hex."""
        return blake3("\0".join((self.tenant or "", self.method, self.path, self.key)).encode()).hexdigest()


class Answer(msgspec.Struct, frozen=True):
    """The first answer under a key.

    `body_hash` is the BLAKE3 of the request's raw body in hex, `time_us` the time of the answer; `headers` are those
    that the route set itself.
    """

    body_hash: str
    status: int
    body: bytes
    headers: Mapping[str, str]
    correlation_id: str
    time_us: int


def body_hash(body: bytes) -> str:
    """Return the hash that tells two bodies apart, in hex."""
    return blake3(body).hexdigest()


def to_event(scope: Scope, answer: Answer, trace_id: str, identity: Identity) -> Event:
    """Return the event that tells all workers of an answer; equal scopes give equal ids."""
    cause = scope.event_id()
    return Event(
        event_id=ids.derived(cause, EVENT_TYPE),
        event_type=EVENT_TYPE,
        time_us=answer.time_us,
        correlation_id=answer.correlation_id,
        causation_id=cause,
        trace_id=trace_id,
        environment=identity.environment,
        partition_key=scope.digest(),
        source=identity.as_source(),
        source_node_id=identity.node_id,
        payload={
            "body_hash": answer.body_hash,
            "status": answer.status,
            "body": answer.body.decode(),
            "headers": dict(answer.headers),
        },
    )


class _Payload(msgspec.Struct):
    body_hash: str
    status: int
    body: str
    headers: dict[str, str]


class KeptAnswers:
    """The answers that a worker knows, its own and those of all others.

    Each is kept for `ttl_seconds`; beyond `most_keys`, or `most_bytes` of bodies, the oldest goes first.
    """

    def __init__(self, *, ttl_seconds: float, most_keys: int, most_bytes: int = MOST_BYTES) -> None:
        self._ttl_us = int(ttl_seconds * 1_000_000)
        self._most_keys = most_keys
        self._most_bytes = most_bytes
        self._answers: dict[str, Answer] = {}
        self._by_age: list[tuple[int, str]] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, digest: str, now_us: int) -> Answer | None:
        """Return the answer under a scope's digest, None when there is none any more."""
        answer = self._answers.get(digest)
        return None if answer is None or self._expired(answer, now_us) else answer

    def apply(self, event: Event, now_us: int) -> None:
        """Take in what a worker recorded; the same event may come again.

        Raises:
            ValueError: the event is no record of an answer.
        """
        try:
            payload = msgspec.convert(event.payload, _Payload)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
        self.put(
            event.partition_key,
            Answer(
                body_hash=payload.body_hash,
                status=payload.status,
                body=payload.body.encode(),
                headers=payload.headers,
                correlation_id=event.correlation_id,
                time_us=event.time_us,
            ),
            now_us,
        )

    def put(self, digest: str, answer: Answer, now_us: int) -> None:
        """Keep an answer.

        Where two workers answered at the same moment the earlier answer counts, so that all workers come to repeat the
        same one, in whatever order they learn of both.
        """
        if self._expired(answer, now_us):
            return
        known = self._answers.get(digest)
        if known is not None:
            if known == answer or (known.time_us + self._ttl_us > answer.time_us and _rank(known) < _rank(answer)):
                return
            self._bytes -= len(known.body)
        self._answers[digest] = answer
        self._bytes += len(answer.body)
        heapq.heappush(self._by_age, (answer.time_us, digest))
        self._drop_oldest(now_us)

    def _drop_oldest(self, now_us: int) -> None:
        while self._by_age:
            time_us, digest = self._by_age[0]
            answer = self._answers.get(digest)
            outdated = answer is None or answer.time_us != time_us
            within = len(self._answers) <= self._most_keys and self._bytes <= self._most_bytes
            if answer is not None and not outdated:
                if within and not self._expired(answer, now_us):
                    return
                del self._answers[digest]
                self._bytes -= len(answer.body)
            heapq.heappop(self._by_age)

    def _expired(self, answer: Answer, now_us: int) -> bool:
        return now_us >= answer.time_us + self._ttl_us


def _rank(answer: Answer) -> tuple[int, str, int, bytes]:
    return (answer.time_us, answer.body_hash, answer.status, answer.body)
