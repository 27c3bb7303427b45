"""Dead letters in Postgres: listed, looked at, replayed, discarded (hooks §10).

A replay holds the lock of each row while it publishes, so no two workers replay the same one. What Kafka has
acknowledged is marked before the lock is given back; a crash in between leaves it pending, and its next replay brings
an event with the same id.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bridge_app.domain.dead_letters import (
    DISCARDED,
    PENDING,
    LetterQuery,
    MessageId,
    ReplayedRecord,
    Selection,
    replayed_record,
)
from bridge_app.effects.pattern_history import PoolProvider
from bridge_app.effects.transaction import transaction
from bridge_app.errors import Conflict, NotFound, ServiceUnavailable
from bridge_app.timestamps import to_datetime

#: Rows of one transaction, and of one request.
CHUNK = 500
MOST = 10_000

_TOPICS = """
SELECT dlq_topic, count(*) FILTER (WHERE status = 'pending') AS pending,
    count(*) FILTER (WHERE status = 'replayed') AS replayed,
    count(*) FILTER (WHERE status = 'discarded') AS discarded, min(failed_at) AS oldest, max(failed_at) AS newest
FROM dead_letters WHERE $1::text IS NULL OR dlq_topic = $1 GROUP BY dlq_topic ORDER BY dlq_topic
"""
_COLUMNS = """
event_id, dlq_topic, dlq_partition, dlq_offset, original_topic, original_partition, original_offset,
original_timestamp, original_key, error_type, error_message, agent, failed_at, status, replays, reason, resolved_by,
resolved_at
"""
_PAGE = f"""
SELECT {_COLUMNS} FROM dead_letters
WHERE dlq_topic = $1 AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR error_type = $3)
  AND ($4::timestamptz IS NULL OR (failed_at, event_id) < ($4, $5::uuid))
ORDER BY failed_at DESC, event_id DESC LIMIT $6
"""  # noqa: S608 (constants)
_ONE = f"""
SELECT {_COLUMNS}, letter FROM dead_letters WHERE dlq_topic = $1 AND dlq_partition = $2 AND dlq_offset = $3
"""  # noqa: S608 (constants)
_NAMED = """
SELECT event_id, dlq_partition, dlq_offset, status FROM dead_letters
WHERE dlq_topic = $1 AND (dlq_partition, dlq_offset) IN (SELECT * FROM unnest($2::integer[], $3::bigint[]))
"""
_SELECTED = """
SELECT event_id, dlq_partition, dlq_offset, status FROM dead_letters
WHERE dlq_topic = $1 AND status = $2 AND ($3::text IS NULL OR error_type = $3)
ORDER BY original_topic, original_partition, original_offset LIMIT $4
"""
_LOCKED = """
SELECT event_id, dlq_topic, dlq_partition, dlq_offset, replays, letter FROM dead_letters
WHERE event_id = ANY($1::uuid[]) AND ($2 OR status = 'pending')
ORDER BY original_topic, original_partition, original_offset FOR UPDATE SKIP LOCKED
"""
_RESOLVE = """
UPDATE dead_letters SET status = $2, reason = $3, resolved_by = $4, resolved_at = now(),
    replays = replays + CASE WHEN $2 = 'replayed' THEN 1 ELSE 0 END
WHERE event_id = ANY($1::uuid[])
"""


class Resolution(NamedTuple):
    """What became of one message; `error` is None when it was replayed or discarded."""

    message: MessageId
    error: str | None


#: Sends records; returns for each why not. Raises `ServiceUnavailable` when no broker answers, or, asked to send
#: nothing, when none is known to.
Send = Callable[[Sequence[ReplayedRecord]], Awaitable[Sequence[str | None]]]


class DeadLetters:
    """The table of dead letters. Topics are the broker's names of `.dlq` topics.

    Every method raises `ServiceUnavailable` while Postgres is away.
    """

    def __init__(self, postgres: PoolProvider, send: Send) -> None:
        self._postgres = postgres
        self._send = send

    async def topics(self, topic: str | None = None) -> list[Mapping[str, Any]]:
        """Return the numbers of every topic that has dead letters, or of one."""
        async with self._postgres.acquire("dead_letter_topics") as connection:
            found: list[Mapping[str, Any]] = await connection.fetch(_TOPICS, topic)
        return found

    async def page(self, topic: str, query: LetterQuery) -> list[Mapping[str, Any]]:
        """Return the rows of a page, the latest first, and one more when there is a next page."""
        after_us, after_id = query.after or (None, None)
        after = None if after_us is None else to_datetime(after_us)
        async with self._postgres.acquire("dead_letter_page") as connection:
            found: list[Mapping[str, Any]] = await connection.fetch(
                _PAGE, topic, query.status, query.error_type, after, after_id, query.limit + 1
            )
        return found

    async def find(self, message: MessageId) -> Mapping[str, Any] | None:
        """Return the row of a message with its whole letter."""
        async with self._postgres.acquire("dead_letter_find") as connection:
            found: Mapping[str, Any] | None = await connection.fetchrow(_ONE, *message)
        return found

    async def replay(
        self, topic: str, selection: Selection, value: dict[str, Any] | None, by: str | None
    ) -> list[Resolution]:
        """Publish again what failed, in its order; return what became of each message.

        Raises:
            NotFound: a message that is named does not exist.
            Conflict: one is not pending, and `force` was not given; or other requests are at all of them.
            ServiceUnavailable: Kafka is away, and nothing was replayed.
        """
        resolutions: list[Resolution] = []
        chosen = await self._choose(topic, selection)
        if not chosen:
            await self._send(())  # whether anything is there to send must not decide what is said of Kafka
        for events in _chunks(chosen):
            try:
                resolutions += await self._replay(events, value, by, forced=selection.force)
            except ServiceUnavailable as error:
                if not any(one.error is None for one in resolutions):
                    raise
                resolutions += [Resolution(message, error.message) for message in events.values()]
        return _not_all_taken(resolutions)

    async def discard(self, topic: str, selection: Selection, reason: str, by: str | None) -> list[Resolution]:
        """Set messages aside for good; return what became of each. Raises as `replay`."""
        resolutions: list[Resolution] = []
        for events in _chunks(await self._choose(topic, selection)):
            async with self._postgres.acquire("dead_letter_discard") as connection, transaction(connection):
                rows = await connection.fetch(_LOCKED, list(events), selection.force)
                await connection.execute(_RESOLVE, [row["event_id"] for row in rows], DISCARDED, reason, by)
            done = {row["event_id"] for row in rows}
            resolutions += [
                Resolution(message, None if event_id in done else _TAKEN) for event_id, message in events.items()
            ]
        return _not_all_taken(resolutions)

    async def _choose(self, topic: str, selection: Selection) -> dict[Any, MessageId]:
        """Return the messages that are meant, by event id."""
        async with self._postgres.acquire("dead_letter_choose") as connection:
            if selection.ids is None:
                rows = await connection.fetch(_SELECTED, topic, selection.status, selection.error_type, MOST)
            else:
                partitions, offsets = [one.partition for one in selection.ids], [one.offset for one in selection.ids]
                rows = await connection.fetch(_NAMED, topic, partitions, offsets)
        chosen = {row["event_id"]: MessageId(topic, row["dlq_partition"], row["dlq_offset"]) for row in rows}
        unknown = [str(one) for one in selection.ids or () if one not in chosen.values()]
        if unknown:
            raise NotFound(f"There is no message {unknown[0]}", details={"messages": unknown})
        settled = [str(chosen[row["event_id"]]) for row in rows if row["status"] != PENDING]
        if settled and not selection.force:
            raise Conflict(f"{len(settled)} messages are not pending", details={"messages": settled[:100]})
        return chosen

    async def _replay(
        self, events: Mapping[Any, MessageId], value: dict[str, Any] | None, by: str | None, *, forced: bool
    ) -> list[Resolution]:
        """Replay one chunk under the locks of its rows. Errors of Kafka are raised when the locks are back."""
        away: ServiceUnavailable | None = None
        errors: dict[Any, str | None] = dict.fromkeys(events, _TAKEN)
        async with self._postgres.acquire("dead_letter_replay") as connection, transaction(connection):
            rows = await connection.fetch(_LOCKED, list(events), forced)
            records: dict[Any, ReplayedRecord] = {}
            for row in rows:
                try:
                    records[row["event_id"]] = replayed_record(row["letter"], row["replays"] + 1, value)
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    errors[row["event_id"]] = f"The letter cannot be replayed: {error}"
            try:
                outcomes = await self._send(list(records.values()))
            except ServiceUnavailable as error:
                away = error
            else:
                errors.update(zip(records, outcomes, strict=True))
                done = [event_id for event_id in records if errors[event_id] is None]
                await connection.execute(_RESOLVE, done, "replayed", None, by)
        if away is not None:
            raise away
        return [Resolution(message, errors[event_id]) for event_id, message in events.items()]


_TAKEN = "Another request is at it, or has just been"


def _not_all_taken(resolutions: list[Resolution]) -> list[Resolution]:
    """Return what became of messages, if any was this request's to resolve."""
    if resolutions and all(one.error == _TAKEN for one in resolutions):
        taken = [str(one.message) for one in resolutions]
        raise Conflict(f"Other requests are at {len(taken)} messages", details={"messages": taken[:100]})
    return resolutions


def _chunks(chosen: Mapping[Any, MessageId]) -> list[dict[Any, MessageId]]:
    items = list(chosen.items())
    return [dict(items[start : start + CHUNK]) for start in range(0, len(items), CHUNK)]
