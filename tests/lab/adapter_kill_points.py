"""Kill points of the database adapter: end the process as kill -9 does, between two steps of its work.

The points, in their order:

    before_write   a batch is sorted, nothing of it is sent to Postgres
    during_write   the statement is on its way, whether it was committed is unknown
    after_write    the rows are on disk, no dead letter was sent
    after_send     the dead letters are acknowledged, nothing is committed
    after_commit   the offsets are committed
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from bridge_app.domain.database_adapter.fold import Rows
from bridge_app.domain.database_adapter.letters import Letter
from bridge_app.effects import event_store
from bridge_app.effects.dead_letter_sender import DeadLetterSender
from bridge_app.effects.event_store import EventStore
from bridge_app.effects.record_source import RecordSource
from tests.lab.kill_points import KillPoint, kill

POINTS = ("before_write", "during_write", "after_write", "after_send", "after_commit")
#: So long a statement travels before the process is killed.
UNDERWAY_SECONDS = 0.002


def install(point: str, countdown: int) -> None:
    """Wrap what this process's adapter does."""
    strikes = KillPoint(point, countdown, POINTS)
    store, insert = EventStore.store, event_store._insert
    send, commit = DeadLetterSender.send, RecordSource.commit

    async def struck_store(self: EventStore, rows: Rows) -> dict[str, int]:
        strikes.reach("before_write")
        stored = await store(self, rows)
        strikes.reach("after_write")
        return stored

    async def struck_insert(
        connection: "asyncpg.Connection[asyncpg.Record]", table: str, rows: Sequence[tuple[Any, ...]]
    ) -> int:
        if strikes.is_next("during_write"):
            task = asyncio.create_task(insert(connection, table, rows))
            await asyncio.wait({task}, timeout=UNDERWAY_SECONDS)
            kill()
        return await insert(connection, table, rows)

    async def struck_send(self: DeadLetterSender, letters: Sequence[Letter]) -> None:
        await send(self, letters)
        strikes.reach("after_send")

    async def struck_commit(self: RecordSource, next_offsets: Mapping[tuple[str, int], int]) -> None:
        await commit(self, next_offsets)
        strikes.reach("after_commit")

    EventStore.store = struck_store  # type: ignore[method-assign]
    event_store._insert = struck_insert
    DeadLetterSender.send = struck_send  # type: ignore[method-assign]
    RecordSource.commit = struck_commit  # type: ignore[method-assign]
