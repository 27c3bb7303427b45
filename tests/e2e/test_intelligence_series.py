"""What is usual for a series and what is not, through HTTP: Acceptance of intelligence.md, with its numbers."""

from collections.abc import Sequence
from typing import Any

from tests.e2e.bridge import Bridge, execution, lifecycle
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
