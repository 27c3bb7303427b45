"""GET /metrics of a worker that has done everything once (conventions §7)."""

import re
from collections.abc import Iterable
from uuid import uuid4

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from bridge_app.metrics import descriptions
from tests.e2e.bridge import Bridge, lifecycle

UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


async def scrape(bridge: Bridge) -> dict[str, Metric]:
    """Return the families of the first worker by their names in the text."""
    async with bridge.session.get(f"{bridge.url}/metrics") as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        text = await response.text()
    families: Iterable[Metric] = text_string_to_metric_families(text)
    return {f"{family.name}_total" if family.type == "counter" else family.name: family for family in families}


def value(families: dict[str, Metric], name: str, /, **labels: str) -> float:
    """Return the sum of a metric's samples with these labels."""
    family = families[name]
    return sum(
        sample.value
        for sample in family.samples
        if sample.name in (name, f"{name}_count") and labels.items() <= sample.labels.items()
    )


async def test_conventions_17_metrics_parse_have_the_names_and_no_ids(bridge: Bridge) -> None:
    async with bridge.tail("intelligence.patterns") as patterns:
        status, _ = await bridge.post("/hooks/service/lifecycle", lifecycle("metered", instance_id=str(uuid4())))
        assert status == 200
        await patterns.first(lambda event: "metered" in event["payload"]["pattern_info"]["affected_services"], 15)
    await bridge.post("/hooks/service/lifecycle", {"hook_type": str(uuid4())})
    await bridge.get(f"/{uuid4()}")
    await bridge.get(f"/intelligence/patterns/{uuid4()}")

    async def stored() -> bool:
        return value(await scrape(bridge), "bridge_sink_rows_total", table="intelligence_patterns") > 0

    await bridge.eventually(stored, within=15)
    families = await scrape(bridge)
    assert {description.name for description in descriptions()} == set(families)
    labels = [text for family in families.values() for sample in family.samples for text in sample.labels.values()]
    assert not [text for text in labels if UUID.search(text)]


async def test_what_was_done_is_counted(bridge: Bridge) -> None:
    before = await scrape(bridge)
    hook, key = lifecycle("counted", instance_id="c-1"), {"Idempotency-Key": "counted"}
    for _ in range(2):
        assert (await bridge.post("/hooks/service/lifecycle", hook, headers=key))[0] == 200
    assert (await bridge.post("/hooks/service/lifecycle", {"hook_type": "service_started"}))[0] == 422
    assert (await bridge.post("/hooks/service/lifecycle?dry_run=true", lifecycle("dry", instance_id="d")))[0] == 200

    def more(families: dict[str, Metric], name: str, /, **labels: str) -> float:
        return value(families, name, **labels) - value(before, name, **labels)

    async def all_effects() -> dict[str, Metric] | None:
        families = await scrape(bridge)
        there = [
            more(families, "bridge_events_consumed_total", agent="intelligence_observe"),
            more(families, "bridge_events_consumed_total", agent="intelligence"),
            more(families, "bridge_events_consumed_total", agent="database_adapter"),
            more(families, "bridge_patterns_total", pattern_type="service_initialization"),
            more(families, "bridge_event_to_row_seconds", table="event_logs"),
        ]
        return families if all(there) else None

    after = await bridge.eventually(all_effects, within=15)
    route = "/hooks/service/lifecycle"
    assert more(after, "hooks_processed_total", hook_type="service_started", status="published") == 1
    assert more(after, "hooks_processed_total", hook_type="service_started", status="invalid") == 1
    assert more(after, "bridge_http_requests_total", method="POST", route=route, status_code="200") == 3
    assert more(after, "bridge_http_request_duration_seconds", method="POST", route=route) == 4
    assert more(after, "bridge_event_published_total", topic="hooks.service_lifecycle") == 1
    assert value(after, "bridge_hooks_in_flight") == 0
    assert value(after, "bridge_series") > 0
    assert value(after, "bridge_rebalances_total") > 0
    assert value(after, "bridge_recovery_duration_seconds") > 0
    for name in ("kafka", "postgres", "consul", "onextree", "stamping"):
        assert value(after, "circuit_breaker_state", name=name) == 1


async def test_lag_is_what_the_broker_says_for_both_groups(bridge: Bridge) -> None:
    assert (await bridge.post("/hooks/service/lifecycle", lifecycle("lagging", instance_id="l-1")))[0] == 200

    async def none_left() -> bool:
        families = await scrape(bridge)
        groups = {sample.labels["group"] for sample in families["bridge_consumer_lag_records"].samples}
        lag = value(families, "bridge_consumer_lag_records", topic="hooks.service_lifecycle")
        return groups == {"agents", "adapter"} and lag == 0

    await bridge.eventually(none_left, within=30)
