"""What a hook body may hold (hooks §1 to §4): the rules of its fields, as data."""

from typing import Final

from bridge_app.events.fields import (
    ANY_ARRAY,
    ANY_OBJECT,
    ANY_VALUE,
    HOST,
    IDENTIFIER,
    LOOSE,
    NAME,
    QUANTITY,
    RELEASE,
    TEXT,
    TIME,
    Array,
    Choice,
    Either,
    Integer,
    Number,
    Object,
    Pattern,
    Rule,
    Text,
)
from bridge_app.json_values import INT_MAX, INT_MIN

#: Fields of every hook body. `hook_type` and `correlation_id` are read apart, they are no part of the payload.
COMMON: Final[dict[str, Rule]] = {"timestamp": TIME, "metadata": ANY_OBJECT}

HEALTH = Choice(("healthy", "degraded", "unhealthy", "critical", "unknown"))

SERVICE_INFO = Object(
    {
        "name": NAME,
        "version": RELEASE,
        "instance_id": IDENTIFIER,
        "host": HOST,
        "port": Integer(1, 65535),
        "startup_time_ms": QUANTITY,
        "type": TEXT,
        "environment": TEXT,
        "capabilities": Either(Array(TEXT), ANY_OBJECT),
        "dependencies": ANY_ARRAY,
        "health_check_url": TEXT,
        "endpoints": LOOSE,
        "process_id": LOOSE,
    },
    required=("name", "version", "instance_id"),
)

INITIALIZATION_STEP = Object(
    {"step": Text(1), "duration_ms": QUANTITY, "status": TEXT, "details": LOOSE}, required=("step", "duration_ms")
)

STARTUP_INFO = Object({"startup_time_ms": QUANTITY, "initialization_steps": Array(INITIALIZATION_STEP)})

SHUTDOWN_INFO = Object(
    {
        "shutdown_reason": TEXT,
        "shutdown_initiated_by": TEXT,
        "shutdown_signal": TEXT,
        "uptime_seconds": QUANTITY,
        "shutdown_time_ms": QUANTITY,
        "final_metrics": ANY_OBJECT,
        "cleanup_operations": ANY_ARRAY,
    }
)

HEALTH_TRANSITION = Object(
    {
        "current_status": HEALTH,
        "previous_status": HEALTH,
        "change_reason": TEXT,
        "health_details": LOOSE,
        "recovery_actions": ANY_ARRAY,
    },
    required=("current_status",),
)

LIFECYCLE = Object(
    {
        **COMMON,
        "service_info": SERVICE_INFO,
        "startup_info": STARTUP_INFO,
        "shutdown_info": SHUTDOWN_INFO,
        "health_transition": HEALTH_TRANSITION,
    },
    required=("service_info",),
    aliases={"startup_metrics": "startup_info", "health_change": "health_transition"},
)

TOOL_INFO = Object(
    {
        "name": Pattern(r"[A-Za-z0-9._-]{1,100}", "1 to 100 letters, digits, '.', '_' or '-'"),
        "version": RELEASE,
        "service_source": NAME,
        "category": NAME,
        "description": TEXT,
        "input_schema": ANY_VALUE,
        "output_schema": ANY_VALUE,
        "execution_requirements": ANY_OBJECT,
        "capabilities": Array(TEXT),
        "tags": Array(TEXT),
    },
    required=("name",),
    aliases={"tool_name": "name"},
)

DISCOVERY_INFO = Object({"discovery_method": TEXT, "discovered_by": TEXT, "confidence": Number(0, 1)})

TOOL_REGISTRATION = Object(
    {**COMMON, "tool_info": TOOL_INFO, "discovery_info": DISCOVERY_INFO},
    required=("tool_info",),
)

EXECUTION_INFO = Object(
    {
        "tool_name": NAME,
        "execution_id": IDENTIFIER,
        "tool_version": RELEASE,
        "execution_type": TEXT,
        "requester_service": NAME,
        "executor_service": NAME,
        "execution_context": Object({"user_id": TEXT, "session_id": TEXT, "request_id": TEXT, "priority": LOOSE}),
    },
    required=("tool_name", "execution_id"),
)

EXECUTION_TIMELINE = Object({"requested_at": TIME, "started_at": TIME, "completed_at": TIME, "phases": ANY_ARRAY})

EXECUTION_RESULT = Object(
    {
        "status": TEXT,
        "result_type": TEXT,
        "output_size_bytes": Integer(0, INT_MAX),
        "exit_code": Integer(INT_MIN, INT_MAX),
        "error": LOOSE,
        "warnings": ANY_ARRAY,
    }
)

TOOL_EXECUTION = Object(
    {
        **COMMON,
        "execution_info": EXECUTION_INFO,
        "execution_timeline": EXECUTION_TIMELINE,
        "execution_result": EXECUTION_RESULT,
        "resource_usage": Object({"cpu_usage": ANY_OBJECT, "memory_usage": ANY_OBJECT, "io_operations": LOOSE}),
        "input_analysis": ANY_OBJECT,
        "quality_metrics": ANY_OBJECT,
        "intelligence_insights": ANY_OBJECT,
    },
    required=("execution_info",),
)
