"""What is found in executions that are posted to a running worker: Acceptance of intelligence.md."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from tests.e2e.bridge import Bridge, execution

EXECUTION = "/hooks/tool/execution"
USUAL = (150, 160, 170)


async def run(bridge: Bridge, bodies: Iterable[dict[str, Any]]) -> None:
    """Post executions one after the other."""
    for body in bodies:
        status, answer = await bridge.post(EXECUTION, body)
        assert status == 200, answer


async def patterns(bridge: Bridge, query: str) -> list[dict[str, Any]]:
    _, answer = await bridge.get(f"/intelligence/patterns?{query}&status=all")
    found: list[dict[str, Any]] = answer["data"]["patterns"]
    return found


async def pattern(bridge: Bridge, query: str, **expected: Any) -> dict[str, Any]:
    """Return the one pattern of a query as soon as it has the expected fields."""

    async def found() -> dict[str, Any] | None:
        shown = await patterns(bridge, query)
        assert len(shown) <= 1
        return next((one for one in shown if expected.items() <= one.items()), None)

    return await bridge.eventually(found, within=20)


async def samples(bridge: Bridge, tool: str, number: int) -> None:
    """Wait until the baseline of a tool was told with so many values."""

    async def reached() -> bool:
        _, answer = await bridge.get(f"/intelligence/baselines?tool={tool}")
        return any(one["samples"] >= number for one in answer["data"]["baselines"])

    await bridge.eventually(reached, within=20)


async def test_intelligence_12_an_anomaly_recovers_and_comes_back_as_the_same(bridge: Bridge) -> None:
    query = "pattern_type=performance_anomaly&tool=relapse"
    async with bridge.tail("intelligence.performance") as performance:
        await run(bridge, (execution("relapse", ms) for ms in (*USUAL, 2500, 2600, 155, 160, 165)))
        over = await pattern(bridge, query, status="resolved")
        assert over["occurrences"] == 2
        await performance.first(
            lambda one: (
                one["event_type"] == "intelligence.performance.recovered"
                and one["payload"]["anomaly_info"]["anomaly_id"] == over["pattern_id"]
            ),
            within=10,
        )
    await run(bridge, [execution("relapse", 2500)])
    again = await pattern(bridge, query, status="active")
    assert (again["pattern_id"], again["occurrences"]) == (over["pattern_id"], 3)


async def test_intelligence_13_failures_after_many_successes(bridge: Bridge) -> None:
    query = "pattern_type=failure_pattern&tool=breaks"
    await run(bridge, (execution("breaks", 100) for _ in range(100)))
    await run(bridge, (execution("breaks", 100, status="failed") for _ in range(4)))
    await samples(bridge, "breaks", 100)
    assert await patterns(bridge, query) == []
    await run(bridge, [execution("breaks", 100, status="failed")])
    assert (await pattern(bridge, query))["evidence"]["kind"] == "error_rate"


async def test_intelligence_13_a_new_tool_that_never_works(bridge: Bridge) -> None:
    await run(bridge, (execution("never-works", status="failed") for _ in range(9)))
    found = await pattern(bridge, "pattern_type=failure_pattern&tool=never-works")
    assert (found["confidence_score"], found["revision"], found["occurrences"]) == (0.7008, 1, 1)


async def test_intelligence_16_who_calls_whom(bridge: Bridge) -> None:
    calls = (execution("called", 20, requester_service="e2e-a", executor_service="e2e-b") for _ in range(10))
    await run(bridge, calls)

    async def counted() -> dict[str, Any] | None:
        shown = await patterns(bridge, "pattern_type=service_communication&service=e2e-a")
        return next((one for one in shown if one["evidence"]["calls"] == 10), None)

    found = await bridge.eventually(counted, within=20)
    assert (found["evidence"]["source_service"], found["evidence"]["target_service"]) == ("e2e-a", "e2e-b")


async def test_intelligence_16_one_tool_follows_another(bridge: Bridge) -> None:
    sessions = [f"e2e-session-{number}" for number in range(10)]
    for tool in ("first-tool", "next-tool"):
        await run(bridge, (execution(tool, 20, execution_context={"session_id": session}) for session in sessions))
        await samples(bridge, tool, len(sessions))  # nothing orders what is posted under two keys
    found = await pattern(bridge, "pattern_type=tool_sequence&tool=first-tool")
    assert found["confidence_score"] == 0.7225
    assert (found["evidence"]["first_tool"], found["evidence"]["next_tool"]) == ("first-tool", "next-tool")


async def test_hooks_6_the_answer_names_an_anomaly_of_a_tool_that_is_known(bridge: Bridge) -> None:
    await run(bridge, (execution("known", ms) for ms in USUAL))
    await samples(bridge, "known", 3)
    _, answer = await bridge.post(EXECUTION, execution("known", 2500))
    assert [one["pattern_type"] for one in answer["data"]["intelligence_analysis"]["patterns_discovered"]] == [
        "performance_anomaly"
    ]
    _, answer = await bridge.post(EXECUTION, execution("known", 160))
    assert answer["data"]["intelligence_analysis"] == {"patterns_discovered": [], "recommendations": []}


async def test_intelligence_20_a_false_positive_is_hidden_and_does_not_come_back(bridge: Bridge) -> None:
    query = "pattern_type=performance_anomaly&tool=forgiven"
    await run(bridge, (execution("forgiven", ms) for ms in (*USUAL, 2500)))
    found = await pattern(bridge, query, status="active")
    route = f"/intelligence/patterns/{found['pattern_id']}/feedback"
    for body, path in (({}, "$.verdict"), ({"verdict": "maybe"}, "$.verdict"), ([], "$")):
        status, answer = await bridge.post(route, body)
        assert (status, answer["error"]["details"]["errors"][0]["path"]) == (422, path)
    unknown = route.replace(found["pattern_id"], f"pattern_{UUID(int=1)}")
    assert (await bridge.post(unknown, {"verdict": "confirmed"}))[0] == 404

    status, answer = await bridge.post(route, {"verdict": "false_positive", "comment": "the nightly job"})
    assert (status, answer["data"]["pattern_id"], answer["data"]["verdict"]) == (
        200,
        found["pattern_id"],
        "false_positive",
    )
    dismissed = await pattern(bridge, query, status="dismissed")
    assert dismissed["pattern_id"] == found["pattern_id"]
    _, shown = await bridge.get(f"/intelligence/patterns?{query}")
    assert shown["data"]["patterns"] == []

    await run(bridge, [execution("forgiven", 2500)])
    await samples(bridge, "forgiven", 5)
    assert [one["status"] for one in await patterns(bridge, query)] == ["dismissed"]
    _, answer = await bridge.get("/intelligence/baselines?tool=forgiven")
    assert [one["upper_limit"] for one in answer["data"]["baselines"]] == [3750]
