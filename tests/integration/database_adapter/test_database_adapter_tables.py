"""From the topics to the tables (database-adapter, acceptance 8, 16; hooks, acceptance 16, 17)."""

from typing import Any
from uuid import uuid4

import orjson
from blake3 import blake3

from agents.database_adapter import DatabaseAdapter
from bridge_app import ids
from tests.integration.database_adapter.conftest import Bench, run_adapter
from tests.integration.database_adapter.test_postgres import SEED_TABLES
from tests.integration.database_adapter.workflow import EVENTS, WORKFLOW_ID, given
from tests.lab.waiting import eventually

PATTERN = {"pattern_type": "t", "confidence_score": 1.0}
UNTOUCHED = (
    "workflow_executions", "fsm_transitions", "metadata_stamps", "bridge_states", "intelligence_patterns",
)  # fmt: skip


async def test_database_adapter_08_completion_before_the_start_ends_in_the_same_row(
    bench: Bench, adapter: DatabaseAdapter
) -> None:
    topic = bench.settings.topic("workflow.events")
    await bench.create(topic, partitions=1)
    await bench.send(topic, EVENTS[::-1], key=WORKFLOW_ID.encode())
    nameless = given("STEP_COMPLETED", workflow_id=WORKFLOW_ID, status="success")
    await bench.send(topic, [nameless], key=WORKFLOW_ID.encode())
    await bench.until_rows(len(EVENTS) + 1)
    counts = {table: await bench.count(table) for table in ("workflow_executions", "workflow_steps", "fsm_transitions")}
    assert counts == {"workflow_executions": 1, "workflow_steps": 2, "fsm_transitions": 2}
    row = await bench.sql.fetchrow("SELECT * FROM workflow_executions")
    assert row is not None
    assert (row["workflow_id"], row["current_state"], row["sequence"]) == (WORKFLOW_ID, "completed", 7)
    assert orjson.loads(row["input_data"]) == {"file_path": "/f"}
    assert await bench.count("metadata_stamps") == 1
    stored = await bench.sql.fetchval("SELECT metadata FROM event_logs WHERE event_id = $1", nameless["event_id"])
    assert orjson.loads(stored)["routing_error"] == "$.step_name"
    assert await bench.count("dead_letters") == 0


#: What breaks a constraint of each routed table: type, payload, SQLSTATE.
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("WORKFLOW_STARTED", {"workflow_id": "w", "namespace": "n" * 256}, "22001"),
    ("WORKFLOW_STARTED", {"workflow_id": "w", "sequence": 2**31}, "22000"),
    ("WORKFLOW_COMPLETED", {"workflow_id": "w", "execution_time_ms": -1}, "23514"),
    ("STEP_COMPLETED", {"workflow_id": "w", "step_name": "s", "step_order": -1}, "23514"),
    ("STEP_COMPLETED", {"workflow_id": "w", "step_name": "s" * 101}, "22001"),
    ("STATE_TRANSITION", {"entity_id": "e", "to_state": "s" * 51}, "22001"),
    ("metadata.stamped", {"file_hash": "0" * 63}, "23514"),
    ("metadata.stamped", {"file_hash": "0" * 65}, "22001"),
    ("metadata.stamped", {"file_hash": "0" * 64, "file_size": -1}, "23514"),
    ("metadata.stamped", {"file_hash": "0" * 64, "file_size": 2**63}, "22000"),
    ("STATE_COMMITTED", {"namespace": "n", "version": 0}, "23514"),
    ("STATE_COMMITTED", {"namespace": "n", "version": 1, "items_per_second": 1e10}, "22003"),
    ("intelligence.pattern.discovered", {"pattern_info": {**PATTERN, "revision": 2**31}}, "22000"),
    ("intelligence.pattern.discovered", {"pattern_info": {**PATTERN, "environment": "e" * 101}}, "22001"),
]


async def test_database_adapter_09_values_that_break_a_constraint_leave_neither_row_but_a_dead_letter(
    bench: Bench, adapter: DatabaseAdapter
) -> None:
    topic = bench.settings.topic("workflow.events")
    await bench.create(topic, partitions=1)
    refused = [given(event_type, **payload) for event_type, payload, _ in REFUSED]
    kept = [given("STEP_COMPLETED", workflow_id="w", step_name=f"step {number}") for number in range(50)]
    await bench.send(topic, [*kept[:25], *refused, *kept[25:]])
    await bench.until_rows(len(kept))
    await bench.until_rows(len(refused), "dead_letters")
    rows = await bench.sql.fetch("SELECT error_type, letter FROM dead_letters ORDER BY original_offset")
    letters = [orjson.loads(row["letter"]) for row in rows]
    assert {row["error_type"] for row in rows} == {"ROW_REJECTED"}
    assert [letter["original_event"]["event_id"] for letter in letters] == [event["event_id"] for event in refused]
    assert [letter["error_context"]["sqlstate"] for letter in letters] == [sqlstate for *_, sqlstate in REFUSED]
    counts = {table: await bench.count(table) for table in ("event_logs", "workflow_steps", *UNTOUCHED)}
    assert counts == {"event_logs": len(kept), "workflow_steps": len(kept), **dict.fromkeys(UNTOUCHED, 0)}


async def test_database_adapter_16_long_texts_and_contents_are_left_out(bench: Bench, adapter: DatabaseAdapter) -> None:
    topics = [bench.settings.topic(name) for name in ("workflow.requests", "hooks.service_lifecycle")]
    for topic in topics:
        await bench.create(topic, partitions=1)
    long, content = "ä" * 150 * 1024, "secret content"
    requested = given("workflow.requested", content=content, items=[{"file_content": "aGVsbG8="}], note="kept")
    logged = given("service.lifecycle.started", service_info={"note": long}, content=content)
    await bench.send(topics[0], [requested])
    await bench.send(topics[1], [logged])
    await bench.until_rows(2)

    async def payload(event_id: str) -> dict[str, object]:
        found = await bench.sql.fetchval("SELECT payload FROM event_logs WHERE event_id = $1", event_id)
        return dict(orjson.loads(found))

    def omitted(text: str) -> dict[str, object]:
        return {"$omitted": {"bytes": len(text.encode()), "blake3": blake3(text.encode()).hexdigest()}}

    assert await payload(requested["event_id"]) == {
        "content": omitted(content), "items": [{"file_content": omitted("aGVsbG8=")}], "note": "kept",
    }  # fmt: skip
    assert await payload(logged["event_id"]) == {"service_info": {"note": omitted(long)}, "content": content}


async def test_answers_to_commands_are_not_even_logged(bench: Bench, adapter: DatabaseAdapter) -> None:
    topic = bench.settings.topic("experiment.events")
    await bench.create(topic, partitions=1)
    kept = given("experiment.alert.unknown", code="C")
    await bench.send(topic, [given("experiment.command.completed", command_id="c"), kept])
    await bench.until_committed(topic, 1)
    assert [str(row[0]) for row in await bench.sql.fetch("SELECT event_id FROM event_logs")] == [kept["event_id"]]


async def test_hooks_16_minimal_insert(bench: Bench, adapter: DatabaseAdapter) -> None:
    async def migrated() -> bool:
        return await bench.sql.fetchval("SELECT to_regclass('event_logs')") is not None

    await eventually(migrated, "migrations")
    await bench.sql.execute("INSERT INTO event_logs(event_type, payload) VALUES ('test_event', '{}')")
    assert await bench.count() == 1


async def test_hooks_17_hooks_and_registrations_are_stored_in_tables_of_the_seed(bench: Bench) -> None:
    topic = bench.settings.topic("hooks.tool_registration")
    await bench.create(topic, partitions=1)

    def registered(name: str) -> dict[str, object]:
        return given("tool.registration.discovered", tool_info={"name": name, "description": "d"})

    for statement in SEED_TABLES.values():
        await bench.sql.execute(statement)
    async with run_adapter(bench.settings) as adapter:
        await bench.send(topic, [registered("before")])
        await bench.until_rows(1, "tool_registrations")

        # The harness may just as well come later.
        await bench.sql.execute("DROP TABLE tool_registrations")
        await bench.sql.execute(SEED_TABLES["tool_registrations"])
        await bench.sql.execute(
            "INSERT INTO tool_registrations (tool_id, tool_name, version, service_source, category, input_schema, "
            "output_schema) VALUES ($1, 'n', '1', 's', 'c', '{}', '{}')",
            uuid4(),
        )
        await bench.send(topic, [registered("while")])
        await bench.until_rows(2, "tool_registrations")
        assert adapter.problems() == []
    found = await bench.sql.fetchval("SELECT tool_id FROM tool_registrations WHERE tool_name = 'while'")
    assert found == ids.tool("unknown", "while", "0.0.0")
    assert await bench.count() == 2
    assert await bench.count("dead_letters") == 0
