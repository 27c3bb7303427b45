"""Configuration while Consul, a database or a worker is away (configuration, Acceptance 10, 11, 12, 16)."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from deploy.local.consul import Consul
from tests.e2e.bridge import Bridge, lifecycle
from tests.e2e.configured import CHANGES, SOON, Operator, next_change
from tests.e2e.deployment import deployment
from tests.lab.cluster import Cluster
from tests.lab.consul_store import ConsulStore
from tests.lab.deployment import Deployment
from tests.lab.services import OwnServer
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

PORT = 27116
TTL, WORKERS = "tool-capture-proxy.cache_ttl", "hook-receiver.workers"
TTL_PATH, WORKERS_PATH = "tool-capture-proxy/cache_ttl", "hook-receiver/workers"
UPDATED = "configuration.updated"
#: How soon what changed during an outage must be in force.
CAUGHT_UP = 35.0
SECRET = "s3cret"


async def health(bridge: Bridge) -> tuple[int, str, str]:
    status, answer = await bridge.get("/health")
    return status, answer["data"]["status"], answer["data"]["checks"]["consul"]["status"]


async def ids_on(cluster: Cluster, topic: str, key: str) -> list[str]:
    """Return the id of every event about a key, copies too."""
    events = [orjson.loads(record.value) for record in await cluster.read(topic)]
    return [one["event_id"] for one in events if one["payload"]["change_info"]["configuration_key"] == key]


async def test_configuration_10_three_workers_tell_one_change_once_though_one_is_killed(
    stack: Mapping[str, str], tmp_path: Path
) -> None:
    environment = f"three-{uuid4().hex[:8]}"
    async with Deployment(tmp_path, stack, {"ENVIRONMENT": environment}) as bridge:
        store = ConsulStore(bridge.session, f"http://{stack['CONSUL_HOST']}:{stack['CONSUL_PORT']}", environment)
        workers = [bridge.worker(name).start() for name in ("a", "b", "c")]
        await bridge.until_ready(*workers)
        try:
            await store.put(TTL_PATH, "120")
            await workers[0].kill()
            for worker in workers[1:]:
                await eventually(lambda worker=worker: shows(bridge, worker, TTL, 120), "120", seconds=SOON)  # type: ignore[misc]
            rows = f"event_type = '{UPDATED}' AND payload->'change_info'->>'configuration_key' = "
            await bridge.until_rows(f"{rows} '{TTL}'", 1, seconds=60)
            await store.put(WORKERS_PATH, "2")  # whatever comes of the first change comes before that of this one
            await bridge.until_rows(f"{rows} '{WORKERS}'", 1, seconds=60)
            found = await ids_on(bridge.cluster, bridge.topic(CHANGES), TTL)
            assert len(set(found)) == 1
            assert 2 <= len(found) <= 3
            assert await bridge.sql.fetchval(f"SELECT count(*) FROM event_logs WHERE {rows} '{TTL}'") == 1
        finally:
            await store.clear()


async def shows(bridge: Deployment, worker: Worker, key: str, value: Any) -> bool:
    """Tell whether a worker has a value of Consul in force."""
    async with bridge.session.get(f"{bridge.url(worker)}/admin/config") as response:
        rows = orjson.loads(await response.read())["data"]["effective"]
    return any((row["key"], row["value"], row["source"]) == (key, value, "consul") for row in rows)


async def test_configuration_11_without_consul_nothing_changes_and_afterwards_everything_is_caught_up(
    stack: Mapping[str, str], own_consul: OwnServer[Consul], tmp_path: Path
) -> None:
    await own_consul.start()
    async with deployment({**stack, **own_consul.environ}, tmp_path, PORT) as bridge:
        operator = Operator(bridge)
        await operator.store.put(WORKERS_PATH, "2")
        bridge.worker.start()
        await bridge.eventually(bridge.is_ready, within=30)
        await operator.until(WORKERS, 2, "consul")
        await own_consul.stop()

        async def is_degraded() -> bool:
            return await health(bridge) == (200, "degraded", "unhealthy")

        await bridge.eventually(is_degraded, within=10)
        await operator.until(WORKERS, 2, "consul")
        assert (await bridge.post("/hooks/service/lifecycle", lifecycle("s", instance_id="1")))[0] == 200
        status, answer = await bridge.put("/admin/config", {TTL: 90})
        assert (status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        report = await operator.report()
        assert (report["consul"]["connected"], bool(report["consul"]["last_error"])) == (False, True)

        async with bridge.tail(CHANGES) as tail:
            await own_consul.start()
            back = time.monotonic()
            await operator.store.put(WORKERS_PATH, "5")
            await operator.until(WORKERS, 5, "consul", within=CAUGHT_UP)
            assert time.monotonic() - back <= CAUGHT_UP
            change = await next_change(tail, WORKERS, 5)
            assert change["payload"]["change_info"]["previous_value"] == 2

        async def is_connected() -> bool:
            return bool((await operator.report())["consul"]["connected"])

        await bridge.eventually(is_connected, within=2)
        assert await operator.store.get(TTL_PATH) is None
        assert await bridge.worker.terminate() == 0


async def test_configuration_12_a_worker_that_started_without_consul_follows_it_when_it_comes(
    stack: Mapping[str, str], own_consul: OwnServer[Consul], tmp_path: Path
) -> None:
    await own_consul.start()
    async with deployment({**stack, **own_consul.environ}, tmp_path, PORT, HOOK_WORKERS="7") as bridge:
        operator = Operator(bridge)
        await operator.store.put(WORKERS_PATH, "5")
        await operator.store.put(TTL_PATH, "300")  # as without Consul: nothing to tell
        await own_consul.stop()
        bridge.worker.start()
        await bridge.eventually(bridge.is_ready, within=30)
        assert [(await operator.setting(key))["source"] for key in (WORKERS, TTL)] == ["env", "default"]
        async with bridge.tail(CHANGES) as tail:
            await own_consul.start()
            await operator.until(WORKERS, 5, "consul", within=CAUGHT_UP)
            change = await next_change(tail, WORKERS, 5)
            assert change["payload"]["change_info"]["previous_value"] == 7
            await operator.until(TTL, 300, "consul")
            assert len(tail.seen) == 1
        assert await bridge.worker.terminate() == 0


async def test_configuration_16_no_secret_is_in_any_answer_event_or_log_line(
    stack: Mapping[str, str], tmp_path: Path
) -> None:
    """The database refuses the password, which is what a failing database has to say about it."""
    environ = {"POSTGRES_PASSWORD": SECRET, "LOG_LEVEL": "DEBUG", "CONSUL_TOKEN": "", "ENVIRONMENT": "secrets"}
    async with deployment(stack, tmp_path, PORT) as bridge:
        operator = Operator(bridge)
        bridge.worker.start(**environ)
        await bridge.eventually(bridge.is_ready, within=60)
        await bridge.put("/admin/config", {WORKERS: 3})
        assert (await bridge.post("/hooks/service/lifecycle", lifecycle("s", instance_id="1")))[0] == 200
        answers = [await text_of(bridge, path) for path in (
            "/health", "/ready", "/metrics", "/admin/config", "/admin/info", "/admin/logs?level=DEBUG", "/admin/agents",
            "/hooks", "/dlq", "/circuit-breaker/status", "/openapi.json",
        )]  # fmt: skip
        assert '"key":"POSTGRES_PASSWORD","value":"***"' in answers[3]
        await bridge.put("/admin/config", {WORKERS: None})
        assert await bridge.worker.terminate() == 0
        cluster = Cluster(bridge.environ["KAFKA_BOOTSTRAP_SERVERS"])
        await cluster.start()
        try:
            topics = (CHANGES, "system.errors", "hooks.service_lifecycle", "intelligence.patterns")
            events = [record.value for topic in topics for record in await cluster.read(bridge.topic(topic))]
        finally:
            await cluster.stop()
        log = bridge.worker.log
        await ConsulStore(bridge.session, operator.store.url, "secrets").clear()
    assert events
    assert "password authentication failed" in log
    assert '"level":"debug"' in log
    assert SECRET not in "".join(answers)
    assert SECRET.encode() not in b"".join(events)
    assert SECRET not in log


async def text_of(bridge: Bridge, path: str) -> str:
    async with bridge.session.get(bridge.url + path) as response:
        return await response.text()
