"""Bodies of hooks as the documents show them, one of each type."""

from collections.abc import Mapping
from typing import Any, Final

from bridge_app.domain.hooks import LIFECYCLE, TOOL_EXECUTION, TOOL_REGISTRATION

#: Bodies of `POST /hooks/service/lifecycle`, one of each type.
LIFECYCLE_BODIES: Final[Mapping[str, dict[str, Any]]] = {
    "started": {
        "hook_type": "service_started",
        "service_info": {
            "name": "shop",
            "version": "1.0.0",
            "instance_id": "shop-1",
            "host": "10.0.0.7",
            "port": 8000,
            "capabilities": ["cart", "checkout"],
        },
        "startup_info": {
            "startup_time_ms": 2500,
            "initialization_steps": [
                {"step": "load_config", "duration_ms": 200},
                {"step": "init_database", "duration_ms": 300},
            ],
        },
    },
    "stopped": {
        "hook_type": "service_stopped",
        "service_info": {"name": "shop", "version": "1.0.0", "instance_id": "shop-1"},
        "shutdown_info": {"shutdown_reason": "deploy", "shutdown_signal": "SIGTERM", "uptime_seconds": 86400},
    },
    "health_changed": {
        "hook_type": "health_changed",
        "service_info": {"name": "shop", "version": "1.0.0", "instance_id": "shop-1"},
        "health_transition": {
            "previous_status": "healthy",
            "current_status": "degraded",
            "change_reason": "the database answers slowly",
        },
    },
}
#: Bodies of `POST /hooks/tool/registration`.
REGISTRATION_BODIES: Final[Mapping[str, dict[str, Any]]] = {
    "discovered": {
        "hook_type": "tool_discovered",
        "tool_info": {
            "name": "resize",
            "version": "1.2.0",
            "service_source": "image-service",
            "category": "media",
            "description": "Resizes an image",
            "input_schema": {"type": "object", "properties": {"width": {"type": "integer", "minimum": 1}}},
            "capabilities": ["jpeg", "png"],
            "tags": ["images"],
        },
        "discovery_info": {"discovery_method": "startup", "discovered_by": "image-service", "confidence": 1},
    },
    "updated": {
        "hook_type": "tool_updated",
        "tool_info": {"name": "resize", "version": "1.2.0", "service_source": "image-service", "category": "media"},
    },
}
#: Bodies of `POST /hooks/tool/execution`; the second is a failure by its status.
EXECUTION_BODIES: Final[Mapping[str, dict[str, Any]]] = {
    "completed": {
        "hook_type": "tool_executed",
        "execution_info": {
            "tool_name": "resize",
            "execution_id": "resize-4711",
            "requester_service": "gallery",
            "executor_service": "image-service",
            "execution_time_ms": 150,
        },
        "execution_result": {"status": "success", "output_size_bytes": 48211},
        "resource_usage": {"cpu_usage": {"peak_percent": 30}, "memory_usage": {"peak_mb": 100}},
    },
    "failed": {
        "hook_type": "tool_executed",
        "execution_info": {
            "tool_name": "resize",
            "execution_id": "resize-4712",
            "executor_service": "image-service",
            "execution_time_ms": 12,
        },
        "execution_result": {"status": "failed", "exit_code": 1, "error": "not an image"},
    },
}
#: Bodies by the topic of their route.
BODIES: Final[Mapping[str, Mapping[str, dict[str, Any]]]] = {
    LIFECYCLE.topic: LIFECYCLE_BODIES,
    TOOL_REGISTRATION.topic: REGISTRATION_BODIES,
    TOOL_EXECUTION.topic: EXECUTION_BODIES,
}
