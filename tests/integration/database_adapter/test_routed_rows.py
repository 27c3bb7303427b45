"""Events become rows of the tables they are routed to, on the real PostgreSQL (database-adapter §4)."""

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import orjson
import pytest

from bridge_app import ids
from bridge_app.domain.database_adapter.fold import fold
from bridge_app.domain.database_adapter.records import read_event
from bridge_app.effects.event_store import EventStore
from bridge_app.effects.postgres import Postgres
from bridge_app.settings import Settings
from tests.integration.database_adapter.workflow import EVENTS, Given, given
from tests.unit.records import record_of

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Store: TypeAlias = Callable[[Sequence[Given]], Any]


@pytest.fixture
async def store(make_settings: Callable[..., Settings], database: Mapping[str, str]) -> AsyncIterator[Store]:
    """Return a function that stores events in one transaction."""
    postgres = Postgres(make_settings(**database))
    await postgres.migrate()
    events = EventStore(postgres)

    async def write(batch: Sequence[Given]) -> dict[str, int]:
        return await events.store(fold(read_event(record_of(value)) for value in batch))

    yield write
    events.close()


async def rows(sql: Connection, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table without what differs from run to run."""
    return [
        {name: value for name, value in row.items() if name not in ("created_at", "updated_at", "stored_at")}
        for row in await sql.fetch(f"SELECT * FROM {table} ORDER BY 1")
    ]


async def test_every_event_of_a_workflow_leaves_its_rows(store: Store, sql: Connection) -> None:
    assert (await store(EVENTS))["event_logs"] == len(EVENTS)
    (workflow,) = await rows(sql, "workflow_executions")
    assert str(workflow["id"]) == workflow["workflow_id"] == EVENTS[0]["payload"]["workflow_id"]
    assert (workflow["current_state"], workflow["sequence"], workflow["correlation_id"]) == ("completed", 7, "c")
    assert (workflow["namespace"], workflow["workflow_steps_executed"]) == ("n", 2)
    assert workflow["started_at"] == datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
    assert workflow["completed_at"] == datetime(2024, 1, 15, 10, 30, 7, tzinfo=UTC)
    assert orjson.loads(workflow["input_data"]) == {"file_path": "/f"}
    output = orjson.loads(workflow["output_data"])
    assert output["file_hash"] == "a" * 64
    assert "stamped_content" not in output
    assert [(row["step_name"], row["step_order"], row["status"]) for row in await rows(sql, "workflow_steps")] == [
        ("validate", 1, "success"),
        ("stamp", 2, "success"),
    ]
    assert await sql.fetchval("SELECT current_state FROM fsm_states") == "completed"
    assert [(row["from_state"], row["to_state"]) for row in await rows(sql, "fsm_transitions")] == [
        ("pending", "processing"),
        ("processing", "completed"),
    ]
    (stamp,) = await rows(sql, "metadata_stamps")
    assert (str(stamp["stamp_id"]), stamp["file_size"]) == (ids.name_based("stamp", "n", "a" * 64), 5)


@pytest.mark.parametrize("at_once", [True, False])
async def test_order_of_arrival_does_not_matter(store: Store, sql: Connection, at_once: bool) -> None:
    await store(EVENTS)
    expected = await rows(sql, "workflow_executions")
    for seed in range(5):
        await sql.execute("TRUNCATE workflow_executions")
        order = random.Random(seed).sample(EVENTS, len(EVENTS))
        for batch in [order] if at_once else [[one] for one in order]:
            await store(batch)
        assert await rows(sql, "workflow_executions") == expected


async def test_events_that_come_again_change_nothing(store: Store, sql: Connection) -> None:
    await store(EVENTS)
    before = await sql.fetch("SELECT * FROM workflow_executions")
    written = await store(EVENTS)
    assert set(written.values()) == {0}
    assert await sql.fetch("SELECT * FROM workflow_executions") == before


async def test_without_sequence_a_start_that_comes_late_only_fills_what_is_missing(
    store: Store, sql: Connection
) -> None:
    end = given("stamp_workflow_failed", workflow_execution_data={"workflow_id": "w", "error": "no"})
    start = given("stamp_workflow_started", workflow_execution_data={"workflow_id": "w", "namespace": "n", "input": {}})
    await store([{**end, "timestamp": "2024-01-15T10:30:05Z"}])
    await store([{**start, "timestamp": "2024-01-15T10:30:00Z"}])
    (row,) = await rows(sql, "workflow_executions")
    assert (row["current_state"], row["sequence"], row["error_message"]) == ("failed", 1_000_000, "no")
    assert (row["namespace"], row["input_data"]) == ("n", "{}")
    assert (row["started_at"].second, row["completed_at"].second) == (0, 5)
    assert str(row["id"]) == ids.name_based("workflow", "w")


async def test_first_stamp_of_a_hash_stays(store: Store, sql: Connection) -> None:
    first = given("metadata.stamp.created", metadata_stamp_data={"file_hash": "B" * 64, "file_size_bytes": 1})
    other = given("metadata.stamped", file_hash="b" * 64, stamp_id=str(uuid4()), file_size=2)
    await store([first, other])
    await store([other])
    (row,) = await rows(sql, "metadata_stamps")
    assert (row["file_size"], row["file_hash"], row["op_id"]) == (1, "b" * 64, first["event_id"])
    assert str(row["stamp_id"]) == ids.name_based("stamp", "omninode.services.metadata", "b" * 64)


async def test_highest_version_of_a_namespace_stays(store: Store, sql: Connection) -> None:
    def committed(version: int, **state: Any) -> Given:
        return given("STATE_COMMITTED", namespace="n", version=version, state=state)

    types = [f"t{number}" for number in range(120)]
    await store([committed(2, total_items_aggregated=20, unique_file_types=types, items_per_second=1.5), committed(1)])
    await store([committed(1, total_items_aggregated=10)])
    (row,) = await rows(sql, "bridge_state")
    assert (row["version"], row["total_items_aggregated"], row["unique_workflows"]) == (2, 20, [])
    assert row["unique_file_types"] == types[:100]
    await store([committed(3, items_per_second=2)])
    (row,) = await rows(sql, "bridge_state")
    assert (row["version"], row["items_per_second"], row["total_items_aggregated"]) == (3, 2, 0)
    assert str(row["bridge_id"]) == ids.name_based("bridge", "n")


def tool(second: int, **info: Any) -> Given:
    event = given("tool.registration.discovered", tool_info={"name": "grep", "capabilities": ["search"], **info})
    return {**event, "timestamp": f"2024-01-15T10:30:{second:02}Z"}


@pytest.mark.parametrize("at_once", [True, False])
async def test_older_registration_never_overwrites_a_newer_one(store: Store, sql: Connection, at_once: bool) -> None:
    newer = [tool(2, description="two"), tool(1, description="one")]
    for batch in [newer] if at_once else [[one] for one in newer]:
        await store(batch)
    (row,) = await rows(sql, "tool_registrations")
    assert row["tool_id"] == ids.tool("unknown", "grep", "0.0.0")
    assert (row["description"], row["category"], row["input_schema"]) == ("two", "uncategorized", "{}")
    assert (row["capabilities"], row["tags"], row["deprecated"]) == ('["search"]', "[]", False)
    await store([tool(3, description="three")])
    (row,) = await rows(sql, "tool_registrations")
    assert row["description"] == "three"


EXPERIMENT = str(uuid4())


def experiment(kind: str, version: int, **payload: Any) -> Given:
    record = {
        "id": EXPERIMENT, "tenant_id": "t", "name": "e", "state": payload.get("state", "running"), "version": version,
        "baseline_pipeline": "b", "candidate_pipeline": "c", "target_nodes": ["x"], "config": {"alpha": 1},
        "created_at": "2024-01-15T10:30:00Z", "results": payload.get("results"),
    }  # fmt: skip
    return given(f"experiment.{kind}", experiment_id=EXPERIMENT, version=version, record=record, **payload)


async def test_experiments_and_all_that_belongs_to_them(store: Store, sql: Connection) -> None:
    interval = {
        "variant": "baseline", "config_version": 1, "interval_start": 1_705_314_600_000, "interval_ms": 1000,
        "out_series": 9, "cells": 1, "points": 90, "failed": 0, "critical_seen": 1, "critical_total": 2,
    }  # fmt: skip
    deployment = {"variant": "baseline", "status": "ready", "desired_version": 1, "reload_state": "idle", "nodes": []}
    batch = [
        experiment("created", 1, state="pending"),
        experiment("state_changed", 2, state="running", previous_state="pending", actor="a"),
        experiment("config.generated", 3, variant="baseline", config_version=1, sha256="s", yaml="y", origin="initial"),
        experiment("deployment.changed", 4, deployment=deployment),
        experiment("load.started", 5, simulation={"id": "s1", "origin": "auto", "state": "active", "seed": 7}),
        experiment("analysis.interim", 6, check={"number": 1}),
        experiment("analysis.completed", 7, results={"recommendation": "adopt_candidate"}, state="completed"),
        given("experiment.interval.closed", experiment_id=EXPERIMENT, **interval),
        experiment("deleted", 8, state="completed"),
    ]
    for order in (batch, batch[::-1]):
        await store(order)
    assert await sql.fetchval("SELECT count(*) FROM event_logs WHERE metadata ? 'routing_error'") == 0
    state = await sql.fetchrow("SELECT version, state, deleted_at IS NOT NULL FROM experiments")
    assert tuple(state or ()) == (8, "completed", True)
    moves = await sql.fetch("SELECT from_state, to_state, actor FROM experiment_transitions ORDER BY version")
    assert [tuple(row) for row in moves] == [(None, "pending", None), ("pending", "running", "a")]
    (config,) = await rows(sql, "experiment_configs")
    assert (config["pipeline"], config["yaml"]) == ("b", "y")
    (ready,) = await rows(sql, "experiment_deployments")
    assert (ready["status"], ready["version"]) == ("ready", 4)
    (load,) = await rows(sql, "experiment_load_simulations")
    assert (load["state"], load["params"]) == ("active", '{"seed": 7}')
    (closed,) = await rows(sql, "experiment_intervals")
    assert (closed["interval_start"], closed["points"]) == (datetime(2024, 1, 15, 10, 30, tzinfo=UTC), 90)
    found = [(row["kind"], row["number"], row["recommendation"]) for row in await rows(sql, "experiment_results")]
    assert sorted(found, key=str) == [("final", 7, "adopt_candidate"), ("interim", 1, None)]


async def test_experiments_15_the_first_row_comes_straight_from_a_valid_create(store: Store, sql: Connection) -> None:
    create = experiment("command.create", 1, state="pending")
    await store([create])
    first = await sql.fetchrow("SELECT id::text, name, state, version, record->>'name' FROM experiments")
    assert tuple(first or ()) == (EXPERIMENT, "e", "pending", 1, "e")
    await store([experiment("created", 1, state="pending"), experiment("state_changed", 2, state="running")])
    await store([create])
    assert await sql.fetchval("SELECT state FROM experiments") == "running"
    assert await sql.fetchval("SELECT count(*) FROM event_logs WHERE metadata ? 'routing_error'") == 0


async def test_experiment_deleted_after_its_analysis_keeps_what_it_found(store: Store, sql: Connection) -> None:
    await store([experiment("analysis.completed", 7, results={"recommendation": "keep_baseline"})])
    assert await sql.fetchval("SELECT recommendation FROM experiments") == "keep_baseline"
