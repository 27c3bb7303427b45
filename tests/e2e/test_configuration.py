"""Configuration at run time, over the running bridge (configuration, Acceptance)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.bridge import Bridge, lifecycle
from tests.e2e.configured import CHANGES, Operator, changes_of, next_change
from tests.e2e.deployment import deployment
from tests.e2e.test_documentation_examples import blocks, run
from tests.unit.web.documented import answer_problems

PORT = 27106
TTL, WORKERS, INTERVAL = (
    "tool-capture-proxy.cache_ttl",
    "hook-receiver.workers",
    "service-registry.health_check_interval",
)
TTL_PATH, WORKERS_PATH = "tool-capture-proxy/cache_ttl", "hook-receiver/workers"
UPDATED, REJECTED = "configuration.updated", "configuration.rejected"
GIVEN = {"CIRCUIT_BREAKER_FAILURE_THRESHOLD": "5", "CIRCUIT_BREAKER_TIMEOUT": "30", "ADAPTIVE_CACHING_ENABLED": "true"}


@pytest.fixture(scope="module")
async def bridge(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """A bridge as the seed configures it."""
    folder = tmp_path_factory.mktemp("configured")
    async with deployment(stack, folder, PORT, ENVIRONMENT="test", **GIVEN) as found:
        found.worker.start()
        await found.eventually(found.is_ready, within=30)
        yield found
        assert await found.worker.terminate() == 0, found.worker.log


@pytest.fixture
async def operator(bridge: Bridge) -> AsyncIterator[Operator]:
    operator = Operator(bridge)
    await operator.clean()
    await operator.settle()
    yield operator
    await operator.clean()


async def test_configuration_01_the_writes_of_the_seed_are_in_force(operator: Operator) -> None:
    values = {WORKERS: 2, TTL: 300, INTERVAL: 10}
    for key, value in values.items():
        await operator.store.put(key.replace(".", "/"), str(value))
    for key, value in values.items():
        await operator.until(key, value, "consul")
    row = await operator.setting(WORKERS)
    assert (row["mutable"], row["default"], row["path"]) == (True, 4, "omninode-bridge/test/hook-receiver/workers")
    assert row["modify_index"] > 0
    report = await operator.report()
    assert report["configuration"]["environment"] == "test"
    assert (report["consul"]["connected"], report["consul"]["last_error"]) == (True, None)


async def test_configuration_02_what_the_environment_gives_is_shown_as_such(operator: Operator) -> None:
    proxy = "tool-capture-proxy"
    for name, value in (
        ("circuit_breaker_failure_threshold", 5), ("circuit_breaker_timeout", 30), ("adaptive_caching_enabled", True)
    ):  # fmt: skip
        row = await operator.setting(f"{proxy}.{name}")
        assert (row["value"], row["source"]) == (value, "env")
    assert (await operator.setting(TTL))["source"] == "default"


async def test_configuration_03_04_a_change_and_a_deletion_are_told_with_what_follows(
    bridge: Bridge, operator: Operator
) -> None:
    async with bridge.tail(CHANGES) as tail:
        await operator.store.put(TTL_PATH, "301")
        await next_change(tail, TTL, 301)
        await operator.store.put(TTL_PATH, "120")
        change = await next_change(tail, TTL, 120)
        info = change["payload"]["change_info"]
        assert (info["previous_value"], info["new_value"], info["change_source"]) == (301, 120, "consul_kv")
        assert (info["changed_by"], info["configuration_path"]) == (None, operator.store.path(TTL_PATH))
        assert change["partition_key"] == TTL_PATH
        await operator.until(TTL, 120, "consul")

        await operator.store.delete(TTL_PATH)
        deletion = await next_change(tail, TTL, 300)
        assert deletion["payload"]["change_info"]["previous_value"] == 120
        assert deletion["payload"]["rollback_info"] == {
            "previous_value": 120, "path": operator.store.path(TTL_PATH), "delete": False,
        }  # fmt: skip
        await operator.until(TTL, 300, "default")
        assert len(changes_of(tail.seen, TTL)) == 3

    async def stored() -> bool:
        query = "SELECT count(*) FROM event_logs WHERE event_id = ANY($1) AND event_type = $2"
        ids = [change["event_id"], deletion["event_id"]]
        return bool(await bridge.postgres.fetchval(query, ids, UPDATED) == 2)

    await bridge.eventually(stored, within=20)


async def test_configuration_05_bad_values_change_nothing_and_are_told(bridge: Bridge, operator: Operator) -> None:
    await operator.store.put(TTL_PATH, "240")
    await operator.until(TTL, 240, "consul")
    async with bridge.tail(CHANGES) as tail:
        for number, raw in enumerate(("abc", "0", "99999"), 1):
            await operator.store.put(TTL_PATH, raw)
            await tail.until(lambda seen, n=number: len(changes_of(seen, TTL, REJECTED)) == n, 10)  # type: ignore[misc]
            report = await operator.report()
            [rejected] = report["rejected"]
            assert (rejected["path"], rejected["value"]) == (operator.store.path(TTL_PATH), raw)
            assert rejected["reason"].startswith("Expected a number")
            row = await operator.setting(TTL)
            assert (row["value"], row["source"]) == (240, "consul")
        payloads = [event["payload"] for event in changes_of(tail.seen, TTL, REJECTED)]
        assert [(payload["rejected_value"], payload["in_force"]) for payload in payloads] == [
            ("abc", 240), ("0", 240), ("99999", 240),
        ]  # fmt: skip
        await operator.store.put(TTL_PATH, "60")
        change = await next_change(tail, TTL, 60)
        assert change["payload"]["change_info"]["previous_value"] == 240
    assert (await operator.report())["rejected"] == []


async def test_configuration_06_the_path_of_the_environment_counts_before_that_of_all(operator: Operator) -> None:
    key, path = "service-registry.ttl_seconds", "service-registry/ttl_seconds"
    shared = f"omninode-bridge/services/{path}"
    try:
        await operator.store.put_path(shared, "70")
        await operator.until(key, 70, "consul_shared")
        await operator.store.put(path, "80")
        await operator.until(key, 80, "consul")
        await operator.store.delete(path)
        await operator.until(key, 70, "consul_shared")
    finally:
        await operator.store.delete_path(shared)
    await operator.until(key, 60, "default")


async def test_configuration_07_what_is_not_for_this_bridge_has_no_effect(bridge: Bridge, operator: Operator) -> None:
    other = f"omninode-bridge/other-{uuid4().hex[:8]}/{TTL_PATH}"
    nope = operator.store.path("tool-capture-proxy/nope")
    async with bridge.tail(CHANGES) as tail:
        await operator.store.put_path(other, "77")
        await operator.store.put("tool-capture-proxy/nope", "1")
        await operator.store.put("kafka/sasl_password", "hunter2")
        await operator.store.put(WORKERS_PATH, "3")  # comes after them
        await next_change(tail, WORKERS, 3)
        assert len(tail.seen) == 1
    report = await operator.report()
    assert report["unknown_keys"] == [operator.store.path("kafka/sasl_password"), nope]
    assert "hunter2" not in str(report)
    assert (await operator.setting(TTL))["value"] == 300
    await operator.store.delete_path(other)


async def test_configuration_08_a_change_over_http_is_written_told_and_followed(
    bridge: Bridge, operator: Operator
) -> None:
    async with bridge.second_worker(), bridge.tail(CHANGES) as tail:
        body = {TTL: 90, "change_reason": "x"}
        status, answer = await bridge.put("/admin/config", body, {"X-Correlation-ID": "test-config-8"})
        assert (status, answer["data"]["updated_keys"], answer["data"]["restart_required"]) == (200, [TTL], False)
        row = await operator.setting(TTL)
        assert (row["value"], row["source"], row["modify_index"]) == (90, "consul", answer["data"]["modify_index"])
        await operator.until(TTL, 90, "consul", port=PORT + 1)
        assert await operator.store.get(TTL_PATH) == "90"
        change = await next_change(tail, TTL, 90)
        info = change["payload"]["change_info"]
        assert (info["change_source"], info["changed_by"], info["change_reason"]) == ("admin_api", "anonymous", "x")
        assert change["correlation_id"] == "test-config-8"
        await bridge.put("/admin/config", {TTL: None})
        await next_change(tail, TTL, 300)
        assert len(changes_of(tail.seen, TTL)) == 2
        assert await operator.store.get(TTL_PATH) is None


async def test_configuration_09_a_bad_request_changes_nothing(bridge: Bridge, operator: Operator) -> None:
    async with bridge.session.get(bridge.url + "/openapi.json") as response:
        document = await response.json()
    async with bridge.tail(CHANGES) as tail:
        for body, path, told in (
            ({WORKERS: 2, TTL: 0}, f'$["{TTL}"]', "Expected a number"),
            ({WORKERS: 2, "kafka.bootstrap_servers": "x"}, '$["kafka.bootstrap_servers"]', "KAFKA_BOOTSTRAP_SERVERS"),
            ({WORKERS: 2, "nope": 1}, "$.nope", "Expected one of"),
            ({"service-registry": {"ttl_seconds": 1}}, '$["service-registry"]', "Expected one of"),
            ({"change_reason": "x"}, "$", "Expected 1 to 30 keys"),
        ):  # fmt: skip
            status, answer = await bridge.put("/admin/config", body)
            [error] = answer["error"]["details"]["errors"]
            assert (status, answer["error"]["code"], error["path"]) == (422, "VALIDATION_ERROR", path)
            assert told in error["message"]
            assert answer_problems(document, "PUT", "/admin/config", status, answer) == []
        assert await operator.store.get(WORKERS_PATH) is None
        status, answer = await bridge.put("/admin/config", {WORKERS: 3})
        assert (status, answer_problems(document, "PUT", "/admin/config", status, answer)) == (200, [])
        await next_change(tail, WORKERS, 3)
        assert len(tail.seen) == 1


async def test_configuration_15_hooks_in_flight_never_pass_the_limit_in_force(
    bridge: Bridge, operator: Operator
) -> None:
    await bridge.put("/admin/config", {WORKERS: 1})
    done = asyncio.Event()
    seen: list[float] = []

    async def look() -> None:
        while not done.is_set():
            async with bridge.session.get(bridge.url + "/metrics") as response:
                seen.append(in_flight(await response.text()))

    async def post(number: int) -> int:
        hook = lifecycle(f"parallel-{number}", instance_id="1")
        async with bridge.session.post(bridge.url + "/hooks/service/lifecycle", json=hook) as response:
            assert response.status == 200 or int(response.headers["Retry-After"]) >= 1
            return response.status

    looking = asyncio.create_task(look())
    statuses = await asyncio.gather(*map(post, range(300)))
    done.set()
    await looking
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 100
    assert 0 < max(seen) <= 100


def in_flight(text: str) -> float:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return float(families["bridge_hooks_in_flight"].samples[0].value)


async def test_the_commands_of_the_page_succeed(bridge: Bridge, operator: Operator) -> None:
    [block] = blocks("runtime-configuration.md", "", "curl")
    output = await run(["bash", "-euc"], block, bridge)
    assert output.count('{"success":true,"data"') == block.count("curl ") == 3
    assert '"key":"hook-receiver.workers","value":8,"source":"consul"' in output
    await operator.until(WORKERS, 4, "default")
    [query] = blocks("runtime-configuration.md", "", "SELECT")

    async def rows() -> list[Any] | None:
        found = await bridge.postgres.fetch(query)
        return found if len(found) >= 4 else None

    assert "configuration_key" in str(await bridge.eventually(rows, within=20))
