"""What a hook body may hold (hooks §1, §2): the rules of its fields, as data."""

from typing import Final

from bridge_app.events.fields import (
    ANY_ARRAY,
    ANY_OBJECT,
    HOST,
    IDENTIFIER,
    NAME,
    QUANTITY,
    RELEASE,
    TEXT,
    TIME,
    Array,
    Choice,
    Either,
    Integer,
    Object,
    Rule,
    Text,
)

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
    },
    required=("name", "version", "instance_id"),
)

INITIALIZATION_STEP = Object(
    {"step": Text(1), "duration_ms": QUANTITY, "status": TEXT}, required=("step", "duration_ms")
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
