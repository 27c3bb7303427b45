"""POST /hooks/*, described."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from bridge_app.domain.hook_schemas import body_schema
from bridge_app.domain.hooks import LIFECYCLE
from bridge_app.errors import (
    InvalidHookType,
    MalformedBody,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationError,
)
from bridge_app.events.intelligence import Recommendation
from bridge_app.web.api.operation import Body, Operation
from bridge_app.web.queries import flag_parameter


class FoundPattern(msgspec.Struct):
    """What a worker saw in one hook at once; `pattern_id` is null where no pattern is published for it."""

    pattern_type: str
    confidence: float
    description: str
    pattern_id: str | None


class Analysis(msgspec.Struct, omit_defaults=True):
    """The first word on a hook; `reason` says why there is none."""

    patterns_discovered: list[FoundPattern]
    recommendations: list[Recommendation]
    reason: str | msgspec.UnsetType = msgspec.UNSET


class HookReceipt(msgspec.Struct):
    """What became of a hook. `event_published` is true only after Kafka's acknowledgement."""

    hook_id: Annotated[str, msgspec.Meta(pattern="^hook_")] | None
    correlation_id: str
    processing_status: Literal["completed", "buffered", "validated"]
    event_published: bool
    intelligence_analysis: Analysis
    processing_time_ms: float


DRY_RUN: Final = flag_parameter("dry_run", "Check and analyse, but publish nothing; `hook_id` is null then.")

LIFECYCLE_EXAMPLES: Final[Mapping[str, dict[str, Any]]] = {
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
    "health changed": {
        "hook_type": "health_changed",
        "service_info": {"name": "shop", "version": "1.0.0", "instance_id": "shop-1"},
        "health_transition": {
            "previous_status": "healthy",
            "current_status": "degraded",
            "change_reason": "the database answers slowly",
        },
    },
}

LIFECYCLE_HOOK: Final = Operation(
    tag="hooks",
    summary="A service started, stopped, or changed its health",
    description=(
        "The hook is checked, made one event and published on `hooks.service_lifecycle`; the answer comes when the event "
        "is durable. Fields that the schema does not name are kept in the event."
    ),
    body=Body(body_schema(LIFECYCLE), LIFECYCLE_EXAMPLES),
    query=(DRY_RUN,),
    answer=HookReceipt,
    errors=(MalformedBody, PayloadTooLarge, UnsupportedMediaType, ValidationError, InvalidHookType),
    scope="hooks:write",
    example={
        "hook_id": "hook_a2d32e20-0b1f-4d5c-9a54-3c1f8f0a6d11",
        "correlation_id": "90fe4541-51c0-4c3a-8f6e-0d7f3f1f3a55",
        "processing_status": "completed",
        "event_published": True,
        "intelligence_analysis": {
            "patterns_discovered": [
                {
                    "pattern_type": "service_initialization",
                    "confidence": 0.6667,
                    "description": "Service shop initialized in 2500 ms",
                    "pattern_id": "pattern_63ac9d0c-1f5b-5b8e-9a1d-6f4bb1f0c0aa",
                }
            ],
            "recommendations": [],
        },
        "processing_time_ms": 4.4,
    },
)
