"""Tool execution hooks: how long a tool took, what came of it, what it used (hooks §4)."""

from typing import Any

from bridge_app.domain.hooks.acceptance import Completion, HookRoute, HookType
from bridge_app.errors import FieldError
from bridge_app.events import hooks as bodies
from bridge_app.events.fields import Errors
from bridge_app.timestamps import parse_us
from bridge_app.topics import HOOKS_TOOL_EXECUTION

COMPLETED = "tool.execution.completed"
FAILED = "tool.execution.failed"

FAILURE_STATUSES = frozenset({"failed", "failure", "error", "timeout", "crashed"})
#: The name under which a hook is a failure, whatever its result says.
FAILED_ALIAS = "tool_execution_failed"


def derive_execution(payload: dict[str, Any], *, failed: bool = False) -> dict[str, Any]:
    """Return the effective execution time in milliseconds, None where it is unknown, and the outcome.

    The outcome is `success`, `failure` or `cancelled`; with `failed` it is a failure whatever the result says.
    """
    return {"execution_time_ms": _execution_time(payload), "outcome": "failure" if failed else _outcome(payload)}


def _execution_time(payload: dict[str, Any]) -> int | float | None:
    timeline = payload.get("execution_timeline") or {}
    for given in (
        payload["execution_info"].get("execution_time_ms"),
        timeline.get("execution_time_ms"),
        timeline.get("total_duration_ms"),
    ):
        if given is not None:
            return given  # type: ignore[no-any-return]  # its rule says that it is a number
    started, completed = timeline.get("started_at"), timeline.get("completed_at")
    if started is None or completed is None:
        return None
    micros = parse_us(completed) - parse_us(started)
    return micros / 1000 if micros % 1000 else micros // 1000


def _outcome(payload: dict[str, Any]) -> str:
    result = payload.get("execution_result") or {}
    status = (result.get("status") or "success").lower()
    if status in FAILURE_STATUSES or result.get("error"):
        return "failure"
    return "cancelled" if status == "cancelled" else "success"


def _check(payload: dict[str, Any], errors: Errors) -> None:
    timeline = payload.get("execution_timeline") or {}
    started, completed = timeline.get("started_at"), timeline.get("completed_at")
    if started is not None and completed is not None and parse_us(completed) < parse_us(started):
        errors.append(FieldError("$.execution_timeline.completed_at", "Expected a time not before started_at"))


def _complete(payload: dict[str, Any], hook_type: HookType, sent_as: str) -> Completion:
    derived = derive_execution(payload, failed=sent_as == FAILED_ALIAS)
    return Completion(FAILED if derived["outcome"] == "failure" else hook_type.event_type, {"derived": derived})


def _tool_name(payload: dict[str, Any]) -> str:
    name: str = payload["execution_info"]["tool_name"]
    return name


TOOL_EXECUTION = HookRoute(
    topic=HOOKS_TOOL_EXECUTION.name,
    types={"tool_executed": HookType(COMPLETED)},
    aliases={"tool_execution_completed": "tool_executed", FAILED_ALIAS: "tool_executed"},
    body=bodies.TOOL_EXECUTION,
    key=_tool_name,
    complete=_complete,
    check=_check,
)
