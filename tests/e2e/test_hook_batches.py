"""POST /hooks/batch against a running worker (hooks §5)."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.bridge import Bridge, execution, lifecycle

BATCH = "/hooks/batch"


async def test_hooks_12_a_batch_with_an_invalid_item(bridge: Bridge) -> None:
    items = [lifecycle("batch-service", instance_id=f"batch-{number}") for number in range(5)]
    items[2]["service_info"]["port"] = "8000"
    async with bridge.tail("hooks.service_lifecycle") as events:
        status, answer = await bridge.post(BATCH, {"hooks": items})
        assert (status, answer["data"]["accepted"], answer["data"]["rejected"]) == (200, 4, 1)
        assert answer["data"]["results"][2]["error"]["details"]["errors"][0]["path"] == "$.service_info.port"
        ids = [one["hook_id"] for one in answer["data"]["results"] if one["success"]]
        found = await events.until(lambda seen: len(_hooks(seen, "batch-service")) >= 4, within=10)

    assert [event["metadata"]["hook_id"] for event in _hooks(found, "batch-service")] == ids
    instances = [event["payload"]["service_info"]["instance_id"] for event in _hooks(found, "batch-service")]
    assert instances == ["batch-0", "batch-1", "batch-3", "batch-4"]


async def test_hooks_12_what_is_no_batch_is_refused(bridge: Bridge) -> None:
    too_many = [lifecycle("too-many", instance_id="1")] * 1001
    invalid = [{"hook_type": "service_started"}] * 2
    for body in ([], too_many, invalid):
        status, answer = await bridge.post(BATCH, body)
        assert (status, answer["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert (await bridge.get(BATCH))[0] == 405


async def test_each_hook_of_a_batch_is_counted_by_what_became_of_it(bridge: Bridge) -> None:
    before = await _counted(bridge)
    bad = {"hook_type": "tool_updated", "tool_info": {"name": "a b"}}
    good = {"hook_type": "tool_updated", "tool_info": {"name": "counted"}}
    assert (await bridge.post(BATCH, [good, bad, good, {"hook_type": "nope"}]))[0] == 200
    assert (await bridge.post(f"{BATCH}?dry_run=true", [good]))[0] == 200
    assert (await bridge.post(BATCH, [bad]))[0] == 422
    after = await _counted(bridge)
    grown = {labels: after[labels] - before.get(labels, 0) for labels in after}
    assert grown[("tool_updated", "published")] == 2
    assert grown[("tool_updated", "invalid")] == 2
    assert grown[("unknown", "invalid")] == 1


async def _counted(bridge: Bridge) -> dict[tuple[str, str], float]:
    async with bridge.session.get(f"{bridge.url}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    return {
        (sample.labels["hook_type"], sample.labels["status"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "hooks_processed_total"
    }


async def test_batch_of_the_seeds_load(bridge: Bridge) -> None:
    """A batch of 500 of all types is accepted whole, and every event of it is stored once."""
    items = [
        lifecycle(f"load-{n % 20}", instance_id=f"load-{n}") if n % 5 else execution(f"load-{n % 20}", 100 + n % 7)
        for n in range(500)
    ]
    status, answer = await bridge.post(BATCH, items, headers={"Idempotency-Key": "load-batch"})
    assert (status, answer["data"]["accepted"]) == (200, 500)
    again = await bridge.post(BATCH, items, headers={"Idempotency-Key": "load-batch"})
    assert again[1]["data"] == answer["data"]
    ids = [one["hook_id"].removeprefix("hook_") for one in answer["data"]["results"]]

    async def all_stored() -> bool:
        query = "SELECT count(*) FROM event_logs WHERE event_id = ANY($1::uuid[])"
        return bool(await bridge.postgres.fetchval(query, ids) == 500)

    await bridge.eventually(all_stored, within=30)


def _hooks(seen: list[tuple[str, dict[str, Any]]], service: str) -> list[dict[str, Any]]:
    return [event for _, event in seen if event["payload"]["service_info"]["name"] == service]
