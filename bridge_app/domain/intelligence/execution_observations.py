"""Stage 1 for tool executions: what one says of the tool, of the link between two services, and of its session."""

from hashlib import blake2b
from typing import Annotated
from uuid import UUID

import msgspec

from bridge_app.domain.hooks.tool_execution import COMPLETED, FAILED, derive_execution
from bridge_app.domain.intelligence.keyed import Keyed, origin_of
from bridge_app.errors import PoisonRecord
from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import (
    ExecutionObservation,
    LinkObservation,
    Outcome,
    Quantity,
    SessionObservation,
)

#: Longer names of sessions are keys by their digest.
SESSION_LENGTH = 200

_Name = Annotated[str, msgspec.Meta(max_length=200)]


class _Context(msgspec.Struct):
    session_id: str | None = None


class _Info(msgspec.Struct):
    tool_name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    executor_service: _Name | None = None
    requester_service: _Name | None = None
    execution_context: _Context | None = None


class _Derived(msgspec.Struct):
    outcome: Outcome
    execution_time_ms: Quantity | None = None


class _Cpu(msgspec.Struct):
    peak_percent: Quantity | None = None


class _Memory(msgspec.Struct):
    peak_mb: Quantity | None = None


class _Usage(msgspec.Struct):
    cpu_usage: _Cpu | None = None
    memory_usage: _Memory | None = None


class _Execution(msgspec.Struct):
    """What is read of the payload of an execution; everything else in it is somebody else's."""

    execution_info: _Info
    derived: _Derived
    resource_usage: _Usage | None = None


def observe_execution(event: Event) -> list[Keyed]:
    """Return the observations a tool execution is worth, none for events of other kinds.

    Raises:
        PoisonRecord: INVALID_PAYLOAD, when it does not name its tool or has values of a wrong type.
    """
    if event.normal_type not in (COMPLETED, FAILED):
        return []
    execution = _read(event)
    info = execution.execution_info
    found: list[Keyed] = [
        (f"exec|{info.tool_name}|{info.executor_service or ''}", _observation(execution, event)),
    ]
    if info.requester_service and info.executor_service:
        found.append((f"link|{info.requester_service}|{info.executor_service}", _link(execution, event)))
    if session := _session(info, event):
        step = SessionObservation(cause_id=UUID(event.event_id), origin=origin_of(event), tool=info.tool_name)
        found.append((f"session|{session}", step))
    return found


def _read(event: Event) -> _Execution:
    payload = event.payload
    try:
        if payload.get("derived") is None:  # producers other than the hooks do not derive
            payload = {**payload, "derived": derive_execution(payload, failed=event.normal_type == FAILED)}
        return msgspec.convert(payload, _Execution)
    except (msgspec.ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise PoisonRecord("INVALID_PAYLOAD", str(error)) from error


def _observation(execution: _Execution, event: Event) -> ExecutionObservation:
    usage = execution.resource_usage
    return ExecutionObservation(
        cause_id=UUID(event.event_id),
        origin=origin_of(event),
        tool=execution.execution_info.tool_name,
        executor=execution.execution_info.executor_service or "",
        outcome=execution.derived.outcome,
        execution_time_ms=execution.derived.execution_time_ms,
        cpu_peak_percent=usage.cpu_usage.peak_percent if usage and usage.cpu_usage else None,
        memory_peak_mb=usage.memory_usage.peak_mb if usage and usage.memory_usage else None,
    )


def _link(execution: _Execution, event: Event) -> LinkObservation:
    info = execution.execution_info
    return LinkObservation(
        cause_id=UUID(event.event_id),
        origin=origin_of(event),
        source=info.requester_service or "",
        target=info.executor_service or "",
        tool=info.tool_name,
        failed=execution.derived.outcome == "failure",
        time_ms=execution.derived.execution_time_ms,
    )


def _session(info: _Info, event: Event) -> str | None:
    """Return the session of an execution: the one it names, or a digest of a long name, else the correlation that a
    client gave.
    """
    if info.execution_context and (named := info.execution_context.session_id):
        return named if len(named) <= SESSION_LENGTH else blake2b(named.encode(), digest_size=16).hexdigest()
    given = event.metadata.get("correlation_source") != "generated" and event.correlation_id != event.event_id
    return event.correlation_id if given else None
