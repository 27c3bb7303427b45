"""The scenarios of seed 000 about tools, on the real services. Names are those of the seed."""

from typing import Any

from tests.e2e.bridge import Bridge, execution

EXECUTION = "/hooks/tool/execution"


async def test_tool_registration_and_execution_flow(bridge: Bridge) -> None:
    execution_hook = {
        "hook_type": "tool_executed",
        "execution_info": {
            "tool_name": "integration_test_tool",
            "tool_version": "1.0.0",
            "execution_id": "integration_exec_001",
            "requester_service": "test_client",
            "executor_service": "integration-test-service",
        },
        "execution_timeline": {
            "requested_at": "2024-01-15T10:30:00Z",
            "started_at": "2024-01-15T10:30:00.5Z",
            "completed_at": "2024-01-15T10:30:02.5Z",
            "total_duration_ms": 2000,
            "execution_time_ms": 1500,
        },
        "execution_result": {"status": "success", "result_type": "test_result", "output_size_bytes": 1024},
        "resource_usage": {
            "cpu_usage": {"peak_percent": 35.0, "average_percent": 25.0},
            "memory_usage": {"peak_mb": 128, "average_mb": 96},
        },
    }
    async with bridge.tail("hooks.tool_execution") as events:
        status, answer = await bridge.post(EXECUTION, execution_hook)
        assert (status, answer["success"]) == (200, True)
        assert answer["data"]["processing_status"] == "completed"
        event = await events.first(lambda one: one["metadata"]["hook_id"] == answer["data"]["hook_id"], within=10)

    assert event["event_type"] == "tool.execution.completed"
    assert event["payload"]["derived"] == {"execution_time_ms": 1500, "outcome": "success"}


async def test_the_tool_of_the_flow_is_registered_by_its_hook(bridge: Bridge) -> None:
    tool = {
        "tool_name": "integration_test_tool",
        "version": "1.0.0",
        "service_source": "integration-test-service",
        "category": "testing",
        "description": "Tool for integration testing",
        "input_schema": {
            "type": "object",
            "properties": {
                "test_data": {"type": "string"},
                "test_mode": {"type": "string", "enum": ["fast", "thorough"]},
            },
            "required": ["test_data"],
        },
        "execution_requirements": {"max_execution_time_ms": 30000, "memory_limit_mb": 256},
    }
    async with bridge.tail("hooks.tool_registration") as events:
        ids = []
        for description in ("Tool for integration testing", "Changed"):
            hook = {"hook_type": "tool_discovered", "tool_info": {**tool, "description": description}}
            status, answer = await bridge.post("/hooks/tool/registration", hook)
            assert (status, answer["data"]["registration_status"]) == (200, "completed")
            ids.append(answer["data"]["tool_registration_id"])
        event = await events.first(lambda one: one["payload"]["tool_info"]["description"] == "Changed", within=10)

    assert event["event_type"] == "tool.registration.discovered"
    assert {event["payload"]["tool_id"], *ids} == {ids[0]}
    assert event["payload"]["tool_info"]["name"] == "integration_test_tool"
    assert event["payload"]["tool_info"]["output_schema"] == {}


async def test_performance_anomaly_detection(bridge: Bridge) -> None:
    """Also intelligence, Acceptance 4, for its numbers."""
    tool = "performance_test_tool"
    async with bridge.tail("intelligence.performance") as performance:
        for i in range(3):
            normal = execution(tool, 150 + i * 10, cpu=30 + i * 2, memory=100 + i * 5)
            assert (await bridge.post(EXECUTION, normal))[0] == 200
        assert (await bridge.post(EXECUTION, execution(tool, 2500, cpu=85, memory=450)))[0] == 200

        async def found() -> dict[str, Any] | None:
            _, answer = await bridge.get(f"/intelligence/patterns?pattern_type=performance_anomaly&tool={tool}")
            return next(iter(answer["data"]["patterns"]), None)

        pattern = await bridge.eventually(found, within=15)
        event = await performance.first(
            lambda one: one["payload"].get("anomaly_info", {}).get("anomaly_id") == pattern["pattern_id"], within=10
        )

    assert pattern["pattern_type"] == "performance_anomaly"
    assert pattern["confidence_score"] == 0.9616
    assert (pattern["severity"], pattern["evidence"]["anomaly_type"]) == ("critical", "response_time_spike")
    flagged = {one["metric"]: one["upper_limit"] for one in pattern["evidence"]["flagged"]}
    assert flagged == {"execution_time_ms": 480, "memory_peak_mb": 315}
    assert event["event_type"] == "intelligence.performance.anomaly_detected"
    assert event["payload"]["metrics_data"]["degradation_factor"] == 15.625
    rows = await bridge.eventually(lambda: _rows(bridge, tool), within=10)
    assert len(rows) == 1


async def _rows(bridge: Bridge, tool: str) -> Any:
    return await bridge.postgres.fetch(
        "SELECT pattern_id FROM intelligence_patterns WHERE pattern_type = 'performance_anomaly' "
        "AND pattern_data->'affected_tools' ? $1",
        tool,
    )
