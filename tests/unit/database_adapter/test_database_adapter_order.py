"""The order of a batch in the adapter: rows, dead letters, commit (database-adapter §2).

Postgres and Kafka are stood in for; each lets the adapter go on when the test says so.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from agents.database_adapter import DatabaseAdapter
from bridge_app.clock import SystemClock
from bridge_app.domain.database_adapter.letters import Letter
from bridge_app.domain.database_adapter.records import Entry
from bridge_app.effects.batch_writer import Rejected
from bridge_app.effects.postgres import Postgres
from bridge_app.events.envelope import Identity
from bridge_app.settings import Settings

TURNS = 20


class Outside:
    """What the adapter calls, in the order it does; `done` lets the call of that name return."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.done = {"store": asyncio.Event(), "letters": asyncio.Event()}
        self.committed: dict[tuple[str, int], int] = {}
        self.is_waiting = False

    async def write(self, entries: Sequence[Entry]) -> list[Rejected]:
        self.calls.append("store")
        await self.done["store"].wait()
        return []

    async def send(self, letters: Sequence[Letter]) -> None:
        self.calls.append("letters")
        await self.done["letters"].wait()

    async def commit(self, next_offsets: Mapping[tuple[str, int], int]) -> None:
        self.calls.append("commit")
        self.committed |= next_offsets


@pytest.fixture
async def outside() -> Outside:
    return Outside()


@pytest.fixture
async def adapter(make_settings: Callable[..., Settings], identity: Identity, outside: Outside) -> DatabaseAdapter:
    settings = make_settings()
    adapter = DatabaseAdapter(settings, identity, Postgres(settings), SystemClock())
    adapter._writer = adapter._sender = adapter._source = cast(Any, outside)
    return adapter


async def idle() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def test_a_batch_is_committed_behind_its_rows_and_its_dead_letters(
    adapter: DatabaseAdapter, outside: Outside, make_record: Callable[..., Any]
) -> None:
    records = [make_record(offset=0), make_record(offset=1, value=b"{"), make_record(offset=2)]
    handling = asyncio.create_task(adapter._handle([adapter._sorter.read(record) for record in records]))
    await idle()
    assert outside.calls == ["store"]
    outside.done["store"].set()
    await idle()
    assert outside.calls == ["store", "letters"]
    outside.done["letters"].set()
    await handling

    assert outside.calls == ["store", "letters", "commit"]
    assert outside.committed == {("hooks.service_lifecycle", 0): 3}
