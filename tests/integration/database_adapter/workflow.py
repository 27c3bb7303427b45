"""The events of one workflow, as its orchestrator sends them (workflows §6)."""

from typing import Any, TypeAlias
from uuid import uuid4

Given: TypeAlias = dict[str, Any]

WORKFLOW_ID = "7c0a3f0e-6d3c-4f4e-9a0b-0d3f7f2b8f11"
STAMP = {"file_hash": "a" * 64, "file_size": 5, "file_size_bytes": 5, "file_path": "/f"}


def given(event_type: str, **payload: Any) -> Given:
    """Return an event with an id of its own."""
    return {"event_id": str(uuid4()), "event_type": event_type, "correlation_id": "c", "payload": payload}


def _of_workflow(number: int, event_type: str, **payload: Any) -> Given:
    common = {"workflow_id": WORKFLOW_ID, "op_id": "o", "namespace": "n", "sequence": number}
    return {
        **given(event_type, **{**common, **payload}),
        "event_id": f"00000000-0000-4000-8000-{number:012}",
        "timestamp": f"2024-01-15T10:30:{number:02}Z",
    }


def _moved(number: int, before: str, after: str) -> Given:
    return _of_workflow(
        number, "STATE_TRANSITION", from_state=before, to_state=after, transition_event="next",
        entity_id=WORKFLOW_ID, entity_type="workflow",
    )  # fmt: skip


_STARTED_AT = "2024-01-15T10:30:00Z"
EVENTS = [
    _of_workflow(1, "WORKFLOW_STARTED", state="processing", started_at=_STARTED_AT, input={"file_path": "/f"}),
    _moved(2, "pending", "processing"),
    _of_workflow(3, "STEP_COMPLETED", step_name="validate", step_order=1, status="success", attempt=1),
    _of_workflow(4, "STEP_COMPLETED", step_name="stamp", step_order=2, status="success", attempt=1),
    _of_workflow(5, "metadata.stamped", **STAMP),
    _moved(6, "processing", "completed"),
    _of_workflow(
        7, "WORKFLOW_COMPLETED", state="completed", started_at=_STARTED_AT, workflow_steps_executed=2,
        stamped_content="never stored", file_hash="a" * 64, processing_time_ms=12.5,
    ),
    _of_workflow(8, "workflow.stamping.completed", file_hash="a" * 64),
]  # fmt: skip
