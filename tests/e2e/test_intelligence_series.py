"""What is usual for a series and what is not, through HTTP: Acceptance of intelligence.md, with its numbers."""

from collections.abc import Sequence
from typing import Any

import orjson

from tests.e2e.bridge import Bridge, execution, lifecycle
from tests.e2e.producing import produce_all
from tests.e2e.test_intelligence_executions import pattern, patterns, samples

SPREAD = (100, 103, 98, 101, 97, 102, 99, 100, 104, 96)


async def report(bridge: Bridge, bodies: Sequence[dict[str, Any]]) -> None:
    """Post hooks as one batch: what has the same key stays in order."""
    status, answer = await bridge.post("/hooks/batch", list(bodies))
    assert (status, answer["data"]["rejected"]) == (200, 0)


async def take(bridge: Bridge, tool: str, *times_ms: float) -> None:
    """Report executions of one tool, and wait until all that are usual are in its baseline."""
    await report(bridge, [execution(tool, ms) for ms in times_ms])


async def found_about(bridge: Bridge, tool: str) -> list[str]:
    return [one["pattern_type"] for one in await patterns(bridge, f"tool={tool}")]


async def test_intelligence_06_07_08_what_is_usual_is_quiet_and_the_first_limit_is_exact(bridge: Bridge) -> None:
    quiet = {
        "usual": (150, 160, 170, 155, 165),
        "slow-first-call": (2000, 150, 160, 155, 165, 150),
        "two-samples": (100, 100, 2500),
        "below-three-times": (100, 100, 100, 299),
        "below-the-floor": (10, 10, 10, 109),
    }
    loud = {"three-times": ((100, 100, 100, 300), 0.8), "the-floor": ((10, 10, 10, 110), 0.9455)}
    for tool, times_ms in quiet.items():
        await take(bridge, tool, *times_ms)
    for tool, (times_ms, confidence) in loud.items():
        await take(bridge, tool, *times_ms)
        found = await pattern(bridge, f"pattern_type=performance_anomaly&tool={tool}")
        assert found["confidence_score"] == confidence
    for tool, times_ms in quiet.items():
        await samples(bridge, tool, len(times_ms))
        assert await found_about(bridge, tool) == []


async def test_intelligence_09_each_executor_has_its_own_usual(bridge: Bridge) -> None:
    two = [
        execution("two-executors", ms, executor_service=name)
        for _ in range(60)
        for name, ms in (("a", 100), ("b", 1000))
    ]
    await report(bridge, two)
    await take(bridge, "no-executor", *(100, 1000) * 60)
    await samples(bridge, "two-executors", 60)
    await samples(bridge, "no-executor", 100)
    assert await found_about(bridge, "two-executors") == []
    assert await found_about(bridge, "no-executor") == []
    _, answer = await bridge.get("/intelligence/baselines?tool=two-executors")
    assert {one["series"]: one["median"] for one in answer["data"]["baselines"]} == {
        "exec|two-executors|a": 100,
        "exec|two-executors|b": 1000,
    }


async def test_intelligence_10_a_known_spread_decides(bridge: Bridge) -> None:
    for tool, last in (("spread-quiet", 155), ("spread-loud", 160)):
        await take(bridge, tool, *SPREAD * 3, last)
    loud = await pattern(bridge, "pattern_type=performance_anomaly&tool=spread-loud")
    assert loud["confidence_score"] == 0.9695
    assert loud["evidence"]["explanation"]["upper_limit"] == 156
    await samples(bridge, "spread-quiet", 31)
    assert await found_about(bridge, "spread-quiet") == []


async def test_intelligence_11_a_slow_rise_is_one_drift(bridge: Bridge) -> None:
    await take(bridge, "rises", *SPREAD * 3, *range(101, 161))
    await samples(bridge, "rises", 90)
    [drift] = await patterns(bridge, "tool=rises")
    assert (drift["pattern_type"], drift["evidence"]["kind"]) == ("performance_trend", "drift")
    assert (drift["evidence"]["ratio"], drift["confidence_score"]) == (1.205, 0.99)


async def test_intelligence_11_a_step_is_one_drift(bridge: Bridge) -> None:
    await take(bridge, "steps", *SPREAD * 3, *(1.3 * ms for ms in SPREAD * 3))
    await samples(bridge, "steps", 60)
    [drift] = await patterns(bridge, "tool=steps")
    assert (drift["pattern_type"], drift["evidence"]["kind"], drift["revision"]) == ("performance_trend", "drift", 1)


async def test_intelligence_15_a_restart_loop_and_a_start_that_failed(bridge: Bridge) -> None:
    await report(bridge, [lifecycle("restarts", instance_id="restarts-1") for _ in range(5)])
    loop = await pattern(bridge, "pattern_type=failure_pattern&service=restarts")
    assert (loop["evidence"]["kind"], loop["confidence_score"]) == ("restart_loop", 0.8571)

    stopped = lifecycle("fails-early", hook_type="service_stopped", instance_id="1")
    await report(bridge, [lifecycle("fails-early", instance_id="1"), stopped])
    failed = await pattern(bridge, "pattern_type=service_initialization&service=fails-early", phase="failed")
    _, answer = await bridge.get(f"/intelligence/patterns/{failed['pattern_id']}")
    assert [one["revision"] for one in answer["data"]["history"]] == [1, 2]


async def test_intelligence_17_the_questions_of_the_list(bridge: Bridge) -> None:
    for window in ("abc", "0", "-1"):
        status, answer = await bridge.get(f"/intelligence/patterns?time_window={window}")
        assert (status, answer["error"]["details"]["errors"][0]["path"]) == (422, "query.time_window")
    assert (await bridge.get("/intelligence/patterns?pattern_type=nope"))[1]["data"]["patterns"] == []
    await report(bridge, [lifecycle("only-me", instance_id="1")])
    await pattern(bridge, "service=only-me&pattern_type=service_initialization")
    assert all("only-me" in one["affected_services"] for one in await patterns(bridge, "service=only-me"))


async def test_proxied_calls_of_another_producer_are_a_series_and_a_link(bridge: Bridge) -> None:
    def call(time_ms: float) -> tuple[bytes, bytes]:
        payload = {
            "request_info": {"source_service": "shop", "target_service": "behind", "tool_name": "proxied-tool"},
            "routing_decision": {"selected_instance": "behind-1"},
            "outcome": {"status": "success", "execution_time_ms": time_ms, "attempts": 1},
        }
        return b"behind", orjson.dumps({"event_type": "proxy.request.routed", "payload": payload})

    await produce_all(bridge, "proxy.requests", [call(ms) for ms in (150, 160, 170, 165, 2500)])
    spike = await pattern(bridge, "pattern_type=performance_anomaly&tool=proxied-tool")
    assert (spike["series"], spike["affected_services"]) == ("proxy|proxied-tool|behind", ["behind"])
    link = await pattern(bridge, "pattern_type=service_communication&tool=proxied-tool")
    assert (link["affected_services"], link["evidence"]["calls"]) == (["behind", "shop"], 5)
    _, answer = await bridge.get("/intelligence/baselines?tool=proxied-tool&service=behind")
    assert [one["metric"] for one in answer["data"]["baselines"]] == ["execution_time_ms"]
