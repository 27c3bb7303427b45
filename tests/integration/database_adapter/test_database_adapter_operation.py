"""What operators do with the adapter: look, resume, rebuild (database-adapter §6 to §8, acceptance 13, 19)."""

import time
from typing import Any
from uuid import uuid4

import pytest

from agents.database_adapter import DatabaseAdapter
from bridge_app.domain.database_adapter.tally import Status
from bridge_app.domain.lag import Lag
from bridge_app.effects.rebuild import Order
from bridge_app.errors import Conflict, ValidationError
from tests.integration.database_adapter.conftest import Bench, altered, run_adapter
from tests.integration.database_adapter.workflow import EVENTS, WORKFLOW_ID, given
from tests.lab.waiting import eventually

EVENT_TYPE = "service.lifecycle.started"


@pytest.fixture
async def topic(bench: Bench) -> str:
    name = bench.settings.topic("hooks.service_lifecycle")
    await bench.create(name)
    return name


async def test_database_adapter_13_resumed_topic_gives_all_its_dead_letters_and_events(
    bench: Bench, topic: str, adapter: DatabaseAdapter
) -> None:
    await bench.send(topic, [b"{"] * 200)
    await bench.until_rows(20, "dead_letters")
    await eventually(lambda: bool(adapter.problems()), "the topic stops")
    await bench.send(topic, [given(EVENT_TYPE) for _ in range(30)])
    await adapter.resume(topic, free=1000)
    assert adapter.problems() == []
    await bench.until_rows(200, "dead_letters")
    await bench.until_rows(30)
    await bench.until_committed(topic)
    with pytest.raises(Conflict):
        await adapter.resume()


async def test_a_resumed_topic_stops_again_when_nothing_got_better(
    bench: Bench, topic: str, adapter: DatabaseAdapter
) -> None:
    await bench.send(topic, [b"{"] * 200)
    await eventually(lambda: bool(adapter.problems()), "the topic stops")
    await adapter.resume(topic)
    await eventually(lambda: bool(adapter.problems()), "the topic stops again")
    await bench.until_rows(40, "dead_letters")


async def test_resume_after_a_table_was_mended_loses_nothing(
    bench: Bench, topic: str, adapter: DatabaseAdapter
) -> None:
    await bench.send(topic, [given(EVENT_TYPE)])
    await bench.until_rows(1)
    await bench.sql.execute("ALTER TABLE event_logs RENAME COLUMN event_key TO lost")
    await bench.send(topic, [given(EVENT_TYPE) for _ in range(50)])
    await eventually(lambda: adapter.status is Status.STOPPED, "the adapter stops")
    await bench.send(topic, [given(EVENT_TYPE) for _ in range(50)])
    await bench.sql.execute("ALTER TABLE event_logs RENAME COLUMN lost TO event_key")
    await adapter.resume()
    await bench.until_rows(101)
    await bench.until_committed(topic)
    assert adapter.status is Status.RUNNING


async def stored(bench: Bench) -> list[Any]:
    return [tuple(row) for row in await bench.sql.fetch("SELECT event_id, topic, payload FROM event_logs ORDER BY 1")]


async def rebuilt(adapter: DatabaseAdapter) -> dict[str, Any]:
    def over() -> bool:
        progress = adapter.report({})["rebuild"]
        return progress is not None and progress["status"] != "running"

    await eventually(over, "the rebuild is over")
    found: dict[str, Any] = adapter.report({})["rebuild"]
    return found


async def test_database_adapter_19_rebuild_brings_the_same_rows_back(
    bench: Bench, topic: str, adapter: DatabaseAdapter
) -> None:
    workflows = bench.settings.topic("workflow.events")
    await bench.create(workflows)
    await bench.send(topic, [*({"event_type": EVENT_TYPE, "n": n} for n in range(200)), b"{"])
    await bench.send(workflows, EVENTS, key=WORKFLOW_ID.encode())
    await bench.until_rows(200 + len(EVENTS))
    await bench.until_rows(1, "dead_letters")
    for name in (topic, workflows, f"{topic}.dlq"):
        await bench.until_committed(name)
    before = await stored(bench)
    routed = await bench.sql.fetch("SELECT * FROM workflow_executions")
    await bench.sql.execute("TRUNCATE event_logs, dead_letters")

    rebuild_id = await adapter.rebuild(Order())
    late = given(EVENT_TYPE)
    await bench.send(topic, [late])
    found = await rebuilt(adapter)
    total = 200 + 1 + len(EVENTS) + 1
    assert found == {
        "rebuild_id": rebuild_id, "done": total, "total": total, "status": "completed", "error": None,
    }  # fmt: skip
    await bench.until_rows(len(before) + 1)
    assert [row for row in await stored(bench) if str(row[0]) != late["event_id"]] == before
    assert await bench.sql.fetch("SELECT * FROM workflow_executions") == routed
    assert await bench.count("dead_letters") == 1
    await bench.until_committed(f"{topic}.dlq")
    assert await bench.count("dead_letters") == 1


async def test_rebuild_of_one_topic_from_a_time_and_one_at_once(
    bench: Bench, topic: str, adapter: DatabaseAdapter
) -> None:
    began = time.time_ns() // 1_000_000 - 200_000  # lately: the broker drops what is older than a week
    times = [began + 1000 * n for n in range(100)]
    for at in times:
        await bench.send(topic, [given(EVENT_TYPE)], timestamp_ms=at, partition=0)
    await bench.until_rows(100)
    await bench.until_committed(topic)
    await bench.sql.execute("TRUNCATE event_logs")
    with pytest.raises(ValidationError, match=r"\$\.topics\[1\]"):
        await adapter.rebuild(Order(["hooks.service_lifecycle", "unknown"]))
    await adapter.rebuild(Order(["hooks.service_lifecycle"], from_ms=times[40], rate_per_second=100))
    with pytest.raises(Conflict):
        await adapter.rebuild(Order())
    assert (await rebuilt(adapter))["total"] == 60
    await bench.until_rows(60)


async def test_a_rebuild_ends_with_the_adapter(bench: Bench, topic: str) -> None:
    async with run_adapter(altered(bench.settings, adapter_batch_size=1)) as adapter:
        await bench.send(topic, [given(EVENT_TYPE) for _ in range(20)])
        await bench.until_rows(20)
        await bench.until_committed(topic)
        await adapter.rebuild(Order(rate_per_second=0.01))
    assert adapter.report({})["rebuild"]["status"] == "cancelled"


async def test_report(bench: Bench, topic: str, adapter: DatabaseAdapter) -> None:
    copy = given(EVENT_TYPE, id=str(uuid4()))
    await bench.send(topic, [copy, copy, *(given(EVENT_TYPE) for _ in range(8))])
    await bench.until_rows(9)
    await bench.until_committed(topic)
    report = adapter.report({topic: Lag(3, 0.5)})
    (shown,) = [one for one in report["topics"] if one["topic"] == topic]
    assert shown == {
        "topic": topic, "partitions": 2, "lag_records": 3, "lag_seconds": 0.5, "status": "running", "last_error": None,
    }  # fmt: skip
    assert (report["total_events"], report["duplicates_skipped"]) == (10, 1)
    assert report["rows_by_table"]["event_logs"] == 9
    assert 0 < report["performance"]["average_ms"] <= report["performance"]["p99_ms"]
    assert report["events_per_second"] > 0
    assert report["database_version"]
    assert report["pool"]["size"] == 10
    assert report["rebuild"] is None
    assert report["uptime_seconds"] > 0
