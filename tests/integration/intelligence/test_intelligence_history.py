"""Patterns read from the real PostgreSQL must be those, and in the order, that the view would have shown (§7, §8)."""

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID, uuid5

import asyncpg
import pytest
from aiokafka.structs import ConsumerRecord

from bridge_app.domain.database_adapter.fold import fold
from bridge_app.domain.database_adapter.records import read_event
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.domain.intelligence.queries import parse_query
from bridge_app.effects.event_store import EventStore
from bridge_app.effects.pattern_history import PatternHistory
from bridge_app.effects.postgres import Postgres
from bridge_app.errors import ServiceUnavailable
from bridge_app.events.envelope import Event, encode
from bridge_app.settings import Settings
from bridge_app.web.intelligence import list_patterns, show_pattern
from tests.lab.guards import guarded
from tests.lab.waiting import eventually

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TOPIC = "intelligence.patterns"
NOW_US = 1_700_000_000_000_000
HOUR_US = 3_600_000_000
PATTERNS = 60


def uuid_of(number: int) -> str:
    return str(uuid5(UUID(int=2), str(number)))


def pattern_event(number: int, revision: int, chance: random.Random) -> Event:
    time_us = NOW_US - chance.randrange(72) * HOUR_US
    services = sorted(chance.sample(["a", "b", "c", "d"], chance.randrange(4)))
    return Event(
        event_id=uuid_of(1000 * revision + number),
        event_type="intelligence.pattern.discovered",
        time_us=time_us,
        correlation_id="c",
        trace_id="3" * 32,
        partition_key=uuid_of(number),
        payload={
            "pattern_info": {
                "pattern_id": f"pattern_{uuid_of(number)}",
                "pattern_type": chance.choice(["one", "two"]),
                "confidence_score": chance.choice([0.7, 0.8571, 1]),
                "revision": revision,
                "severity": chance.choice([None, "high", "low"]),
                "status": chance.choice(["active", "resolved", "dismissed"]),
                "affected_services": services,
                "affected_tools": chance.sample(["t", "u"], chance.randrange(2)),
                "pattern_data": {"number": number},
            }
        },
    )


EVENTS = [
    pattern_event(number, revision, random.Random(100 * number + revision))
    for revision in (1, 2)
    for number in range(PATTERNS // revision)
]


def record_of(event: Event, offset: int) -> Any:
    out = encode(TOPIC, event)
    return ConsumerRecord(TOPIC, 0, offset, out.timestamp_ms, 0, out.key, out.value, None, 0, 0, tuple(out.headers))


@asynccontextmanager
async def stored(settings: Settings) -> AsyncIterator[PatternHistory]:
    """Store all events as the adapter does, one transaction each, and lend their history."""
    postgres = Postgres(settings)
    await postgres.start()
    store = EventStore(postgres)
    try:
        await eventually(postgres.ready.is_set, "the migrations")
        for offset, event in enumerate(EVENTS):
            await store.store(fold([read_event(record_of(event, offset))]))
        yield PatternHistory(guarded(postgres), topic=TOPIC)
    finally:
        store.close()
        await postgres.stop()


@pytest.fixture
def settings(make_settings: Callable[..., Settings], database: Mapping[str, str]) -> Settings:
    return make_settings(**database)


@pytest.fixture
def view() -> PatternView:
    view = PatternView()
    for event in EVENTS:
        view.apply(event)
    return view


async def test_every_question_has_the_answer_of_the_view_on_every_page(settings: Settings, view: PatternView) -> None:
    questions: list[dict[str, str]] = [
        {"time_window": "90d"},
        {"time_window": "36"},
        {"time_window": "7d", "pattern_type": "two"},
        {"time_window": "7d", "pattern_type": "none"},
        {"time_window": "7d", "service": "b", "status": "all"},
        {"time_window": "7d", "tool": "u", "severity": "high"},
        {"time_window": "7d", "min_confidence": "0.8571", "status": "dismissed"},
    ]
    async with stored(settings) as history:
        for question in questions:
            pages = 0
            params = {**question, "limit": "7"}
            while True:
                query = parse_query(params, NOW_US)
                assert not view.answers(query)
                expected = view.page(query)
                assert await history.page(query) == expected
                pages += 1
                assert pages <= PATTERNS
                if not expected.has_more:
                    break
                params["cursor"] = query.next_cursor(expected.patterns[-1], NOW_US)
            assert pages == max(1, -(-expected.total // 7))


async def test_a_pattern_that_left_the_view_has_its_revisions(settings: Settings, view: PatternView) -> None:
    async with stored(settings) as history:
        for number in (1, PATTERNS - 1):
            expected = await show_pattern(uuid_of(number), view, history)
            assert await show_pattern(uuid_of(number), PatternView(), history) == expected
        assert await history.find(uuid_of(PATTERNS + 1)) is None


async def test_rows_of_other_programs_are_shown_as_far_as_they_go(settings: Settings, sql: Connection) -> None:
    async with stored(settings) as history:
        await sql.execute("DELETE FROM intelligence_patterns")
        await sql.executemany(
            "INSERT INTO intelligence_patterns (pattern_id, pattern_type, confidence_score, pattern_data) "
            "VALUES (gen_random_uuid(), $1, $2, $3)",
            [("bare", 0.5, "{}"), ("list", 0.4, "[]"), ("impossible", 7.0, "{}"), ("", 0.3, '{"revision": "x"}')],
        )
        now_us = await sql.fetchval("SELECT extract(epoch FROM now())::float8") * 1_000_000
        data = await list_patterns({"time_window": "48"}, PatternView(), history, round(now_us))
        assert [pattern["pattern_type"] for pattern in data["patterns"]] == ["bare", "list"]
        uuid = await sql.fetchval("SELECT pattern_id FROM intelligence_patterns WHERE pattern_type = 'bare'")
        shown = await show_pattern(str(uuid), PatternView(), history)
        assert [(entry["revision"], entry["status"]) for entry in shown["history"]] == [(1, "active")]


async def test_intelligence_21_long_windows_are_503_while_postgres_is_away(
    make_settings: Callable[..., Settings],
) -> None:
    postgres = Postgres(make_settings(POSTGRES_HOST="127.0.0.1", POSTGRES_PORT="1"))
    history = PatternHistory(guarded(postgres), topic=TOPIC)
    with pytest.raises(ServiceUnavailable):
        await list_patterns({"time_window": "48"}, PatternView(), history, NOW_US)
    assert (await list_patterns({"time_window": "24"}, PatternView(), history, NOW_US))["patterns"] == []
