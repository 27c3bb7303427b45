"""Circuit breakers of a running worker: shown, reset by hand, counted, and told of (resilience §1, §2; hooks §11)."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.e2e.bridge import Bridge, Events, lifecycle
from tests.e2e.deployment import deployment
from tests.e2e.test_metrics import scrape, value
from tests.lab.services import CONSUL_PROXY, POSTGRES_PROXY, OwnServer, ProxiedKafka
from tests.lab.tcp_proxy import TcpProxy

PORT = 27086
ROWS = ["kafka", "postgres", "consul", "onextree", "stamping"]
FIELDS = {
    "service", "state", "failure_count", "failure_threshold", "success_count", "last_failure_time",
    "test_requests_sent", "circuit_opened_at", "instances", "workers",
}  # fmt: skip

#: Ends all other sessions of the database.
END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Guarded:
    """A worker that reaches Postgres and Consul through proxies."""

    def __init__(self, bridge: Bridge, postgres: TcpProxy, consul: TcpProxy) -> None:
        self.bridge = bridge
        self.postgres = postgres
        self.consul = consul

    async def row(self, name: str) -> dict[str, Any]:
        """Return a breaker as the status shows it."""
        _, answer = await self.bridge.get("/circuit-breaker/status")
        found: dict[str, Any] = next(r for r in answer["data"]["circuit_breakers"] if r["service"] == name)
        return found

    async def is_in(self, name: str, state: str) -> bool:
        return bool((await self.row(name))["state"] == state)

    async def until(self, name: str, state: str) -> None:
        await self.bridge.eventually(partial(self.is_in, name, state), within=20)

    async def transitions(self, name: str) -> dict[str, float]:
        families = await scrape(self.bridge)
        states = ("open", "half_open", "closed")
        total = partial(value, families, "bridge_circuit_breaker_transitions_total")
        return {state: total(name=name, to_state=state) for state in states}


@pytest.fixture
async def guarded(stack: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Guarded]:
    """A deployment of its own, whose worker is not started."""
    postgres = TcpProxy(port=POSTGRES_PROXY, target=int(stack["POSTGRES_PORT"]))
    consul = TcpProxy(port=CONSUL_PROXY, target=int(stack["CONSUL_PORT"]))
    environ = {"POSTGRES_PORT": str(POSTGRES_PROXY), "CONSUL_PORT": str(CONSUL_PROXY)}
    async with postgres.running(), consul.running(), deployment(stack, tmp_path, PORT, **environ) as bridge:
        yield Guarded(bridge, postgres, consul)


def told(events: Events, event_type: str, breaker: str) -> list[dict[str, Any]]:
    return [
        event
        for _, event in events
        if event["event_type"] == event_type and event["payload"]["context_info"].get("breaker") == breaker
    ]


async def test_resilience_15_each_change_of_a_breaker_is_shown_counted_and_told(guarded: Guarded) -> None:
    bridge = guarded.bridge
    bridge.worker.start()
    await bridge.eventually(bridge.is_ready, within=60)
    _, answer = await bridge.get("/circuit-breaker/status")
    rows = answer["data"]["circuit_breakers"]
    assert [row["service"] for row in rows] == ROWS
    assert all(set(row) == FIELDS for row in rows)
    assert (await guarded.row("postgres"))["state"] == "closed"

    async with bridge.tail("system.errors") as errors:
        await guarded.postgres.cut()
        await guarded.until("postgres", "open")
        row = await guarded.row("postgres")
        assert (row["failure_threshold"], row["circuit_opened_at"] is None) == (5, False)
        assert row["last_failure_time"] >= row["circuit_opened_at"][:19]
        assert row["workers"][0]["instance_id"] == bridge.worker.name
        assert value(await scrape(bridge), "circuit_breaker_state", name="postgres") == 0
        for path in ("/intelligence/patterns?time_window=48", "/hooks", f"/hooks/hook_{UUID(int=1)}", "/dlq"):
            status, answer = await bridge.get(path)
            assert (status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert "circuit breaker postgres is open" in answer["error"]["message"]
        for other in ("kafka", "consul"):
            assert (await guarded.row(other))["state"] == "closed"

        await guarded.postgres.heal()
        await guarded.until("postgres", "closed")
        assert (await bridge.get("/intelligence/patterns?time_window=48"))[0] == 200
        seen = await errors.until(lambda events: bool(told(events, "error.service.recovered", "postgres")), within=10)

    assert await guarded.transitions("postgres") == {"open": 1, "half_open": 1, "closed": 1}
    (critical,), (recovered,) = (told(seen, f"error.service.{kind}", "postgres") for kind in ("critical", "recovered"))
    info = critical["payload"]["error_info"]
    assert (info["error_type"], info["severity"], info["service_name"]) == (
        "CIRCUIT_BREAKER_OPEN", "critical", "omninode-bridge",
    )  # fmt: skip
    assert (info["instance_id"], info["occurrence_count"]) == (bridge.worker.name, 1)
    assert critical["partition_key"] == "omninode-bridge"
    assert critical["payload"]["impact_assessment"]
    assert critical["payload"]["recovery_actions"]
    assert recovered["causation_id"] == critical["event_id"]
    assert recovered["payload"]["error_info"]["error_id"] == info["error_id"]


async def test_resilience_15_reset_closes(guarded: Guarded) -> None:
    bridge = guarded.bridge
    bridge.worker.start(BREAKER_CONSUL_FAILURE_THRESHOLD=3)
    await bridge.eventually(bridge.is_ready, within=60)
    await guarded.consul.cut()
    await guarded.until("consul", "open")

    async with bridge.tail("system.errors") as errors:
        status, answer = await bridge.post("/circuit-breaker/reset/consul", {})
        assert status == 200
        data = answer["data"]
        assert {key: data[key] for key in ("service", "previous_state", "new_state", "failure_count_reset")} == {
            "service": "consul", "previous_state": "open", "new_state": "closed", "failure_count_reset": 3,
        }  # fmt: skip
        assert data["reset_time"].endswith("Z")
        await errors.until(lambda events: bool(told(events, "error.service.recovered", "consul")), within=10)
    assert (await guarded.transitions("consul"))["closed"] == 1

    status, answer = await bridge.post("/circuit-breaker/reset/nobody", {})
    assert (status, answer["error"]["code"]) == (404, "NOT_FOUND")


async def test_resilience_15_that_kafka_was_away_is_told_when_it_is_back(
    guarded: Guarded, own_kafka: OwnServer[ProxiedKafka], tmp_path: Path
) -> None:
    bridge = guarded.bridge
    await own_kafka.start()
    beside = Bridge(tmp_path, {**bridge.environ, **own_kafka.environ}, PORT, bridge.session, bridge.postgres)
    beside.worker.start()
    try:
        await beside.eventually(beside.is_ready, within=60)
        await own_kafka.stop()
        watched = Guarded(beside, guarded.postgres, guarded.consul)
        await watched.until("kafka", "open")
        status, answer = await beside.post("/dlq/hooks.service_lifecycle/replay", {"all": True})
        assert (status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        await own_kafka.start()
        await watched.until("kafka", "closed")

        async def both_stored() -> bool:
            found = await beside.postgres.fetch(
                "SELECT event_type FROM event_logs WHERE topic = $1 AND payload->'context_info'->>'breaker' = 'kafka' "
                'ORDER BY "offset"',
                beside.topic("system.errors"),
            )
            return [row["event_type"] for row in found] == ["error.service.critical", "error.service.recovered"]

        await beside.eventually(both_stored, within=60)
        assert (await beside.post("/hooks/service/lifecycle", lifecycle("after", instance_id="1")))[0] == 200
    finally:
        beside.worker.destroy()


async def test_database_adapter_11_health_names_why_the_adapter_waits_and_the_breaker_stays_closed(
    guarded: Guarded,
) -> None:
    bridge = guarded.bridge
    bridge.worker.start()
    await bridge.eventually(bridge.is_ready, within=60)
    database = await bridge.postgres.fetchval("SELECT current_database()")
    default = f'ALTER ROLE CURRENT_USER IN DATABASE "{database}" {{}} default_transaction_read_only'
    await bridge.postgres.execute(default.format("SET") + " = on")
    await bridge.postgres.execute(END_OTHERS)
    _, answer = await bridge.post("/hooks/service/lifecycle", lifecycle("waits", instance_id="1"))
    assert answer["data"]["event_published"]

    async def named() -> bool:
        _, health = await bridge.get("/health")
        check = health["data"]["checks"]["database"]
        return health["data"]["status"] == "degraded" and "25006" in (check["reason"] or "")

    await bridge.eventually(named, within=20)
    assert (await guarded.row("postgres"))["failure_count"] == 0
    assert (await bridge.get("/ready"))[1]["data"]["ready"]
    await bridge.postgres.execute(default.format("RESET"))

    async def well() -> bool:
        return bool((await bridge.get("/health"))[1]["data"]["status"] == "healthy")

    await bridge.eventually(well, within=20)
    assert await bridge.postgres.fetchval("SELECT count(*) FROM event_logs WHERE event_key = 'waits'") == 1
    assert await bridge.worker.terminate() == 0
