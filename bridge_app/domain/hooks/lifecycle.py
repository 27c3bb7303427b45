"""Lifecycle hooks: a service started, stopped, or changed its health (hooks §2)."""

from typing import Any

from bridge_app.domain.hooks.acceptance import Completion, HookRoute, HookType
from bridge_app.events import hooks as bodies
from bridge_app.json_values import INT_MAX
from bridge_app.topics import HOOKS_SERVICE_LIFECYCLE


def _service_name(payload: dict[str, Any]) -> str:
    name: str = payload["service_info"]["name"]
    return name


def derive_startup(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the effective start time, in milliseconds, and where it was found."""
    startup_info = payload.get("startup_info") or {}
    for source, info in (("startup_info", startup_info), ("service_info", payload["service_info"])):
        if info.get("startup_time_ms") is not None:
            return {"startup_time_ms": info["startup_time_ms"], "startup_time_source": source}
    steps = startup_info.get("initialization_steps")
    total = sum(step["duration_ms"] for step in steps or ())
    if steps and total <= INT_MAX:
        return {"startup_time_ms": total, "startup_time_source": "steps"}
    return {"startup_time_ms": None, "startup_time_source": None}


def _complete(payload: dict[str, Any], hook_type: HookType, _sent_as: str) -> Completion:
    return Completion(hook_type.event_type, {"derived": derive_startup(payload)})


LIFECYCLE = HookRoute(
    topic=HOOKS_SERVICE_LIFECYCLE.name,
    types={
        "service_started": HookType("service.lifecycle.started"),
        "service_stopped": HookType("service.lifecycle.stopped"),
        "health_changed": HookType("service.lifecycle.health_changed", required=("health_transition",)),
    },
    aliases={
        "service_start": "service_started",
        "service_stop": "service_stopped",
        "service_health_change": "health_changed",
        "service_health_changed": "health_changed",
    },
    body=bodies.LIFECYCLE,
    key=_service_name,
    complete=_complete,
)
