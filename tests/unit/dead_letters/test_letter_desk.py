"""What the routes of dead letters answer, whatever the table holds (hooks §10)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from bridge_app.domain.database_adapter.letters import Failure, letter_payload
from bridge_app.domain.dead_letters import LetterQuery, MessageId, ReplayedRecord, Selection
from bridge_app.effects.dead_letters import DeadLetters
from bridge_app.effects.pattern_history import PoolProvider
from bridge_app.errors import NotFound, PoisonRecord, ServiceUnavailable
from bridge_app.settings import Settings
from bridge_app.web.dead_letters import LetterDesk
from tests.unit.records import record_of
from tests.unit.web.http_worker import ManualClock

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
LETTER = letter_payload(record_of(b'{"a": 1}', headers=[("h", b"x")]), Failure(PoisonRecord("INVALID_PAYLOAD", "a"), 1))
ROW = {
    **{name: LETTER[name] for name in ("original_topic", "original_partition", "original_offset", "original_key")},
    **{name: LETTER[name] for name in ("error_type", "error_message", "agent")},
    "event_id": "00000000-0000-4000-8000-000000000001", "dlq_topic": "t.dlq", "dlq_partition": 0, "dlq_offset": 7,
    "original_timestamp": NOON, "failed_at": NOON, "resolved_at": None, "resolved_by": None, "reason": None,
    "status": "discarded", "replays": 0, "letter": LETTER,
}  # fmt: skip


class Table:
    """A table of one dead letter, or of none; like Postgres it takes no U+0000."""

    def __init__(self, *rows: Mapping[str, Any]) -> None:
        self._rows = rows

    async def topics(self, topic: str | None = None) -> Sequence[Mapping[str, Any]]:
        assert topic is not None
        assert "\0" not in topic
        return [row for row in self._rows if row["dlq_topic"] == topic]

    async def page(self, topic: str, query: LetterQuery) -> Sequence[Mapping[str, Any]]:
        return await self.topics(topic)

    async def find(self, message: MessageId) -> Mapping[str, Any] | None:
        return next(iter(await self.topics(message.topic)), None)


@pytest.fixture
def new_desk(make_settings: Callable[..., Settings]) -> Callable[..., LetterDesk]:
    def new(*rows: Mapping[str, Any], **environ: str) -> LetterDesk:
        return LetterDesk(cast(DeadLetters, Table(*rows)), make_settings(**environ), ManualClock())

    return new


async def test_hooks_10_one_message_is_the_whole_letter_and_its_status(new_desk: Callable[..., LetterDesk]) -> None:
    shown = await new_desk(ROW).show("t.dlq:0:7")
    own = ("original_timestamp", "failed_at")
    assert {name: shown[name] for name in LETTER if name not in own} == {
        name: value for name, value in LETTER.items() if name not in own
    }
    assert (shown["status"], shown["letter"]) == ("discarded", LETTER)
    assert shown["failed_at"] == "2024-01-15T12:00:00.000000Z"


@pytest.mark.parametrize("name", ["a\0b", "hooks.service_lifecycle\0", "extra.\0"])
async def test_a_name_that_no_topic_can_have_is_not_found(new_desk: Callable[..., LetterDesk], name: str) -> None:
    desk = new_desk(ADAPTER_EXTRA_TOPICS="extra.*")
    with pytest.raises(NotFound):
        await desk.list(name, {})
    with pytest.raises(NotFound):
        await desk.show(f"{name}:0:0")


@pytest.mark.parametrize(
    ("name", "known"),
    [("extra.one", True), ("one", True), ("extra.one.dlq", False), ("extra-app-table-changelog", False), ("x", False)],
)
async def test_an_extra_topic_has_a_list_before_it_has_letters(
    new_desk: Callable[..., LetterDesk], name: str, known: bool
) -> None:
    desk = new_desk(ADAPTER_EXTRA_TOPICS="extra*,one")
    if known:
        assert (await desk.list(name, {}))["messages"] == []
    else:
        with pytest.raises(NotFound):
            await desk.list(name, {})


class EmptyPool:
    """A database that finds nothing."""

    def acquire(self, _name: str) -> "EmptyPool":
        return self

    async def __aenter__(self) -> "EmptyPool":
        return self

    async def __aexit__(self, *_error: object) -> None:
        return

    async def fetch(self, *_query: Any) -> list[Any]:
        return []


async def test_resilience_4_a_replay_of_nothing_asks_for_kafka_too() -> None:
    async def send(records: Sequence[ReplayedRecord]) -> list[str | None]:
        assert not records
        raise ServiceUnavailable("Kafka is away")

    letters = DeadLetters(cast(PoolProvider, EmptyPool()), send)
    with pytest.raises(ServiceUnavailable):
        await letters.replay("t.dlq", Selection(status="pending"), None, None)
    assert await letters.discard("t.dlq", Selection(status="pending"), "x", None) == []
