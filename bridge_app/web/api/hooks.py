"""POST /hooks/*, described."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from bridge_app.domain.hook_schemas import body_schema
from bridge_app.domain.hooks import LIFECYCLE, TOOL_EXECUTION, TOOL_REGISTRATION, hook_id
from bridge_app.domain.hooks.any_hook import MOST_ITEMS
from bridge_app.errors import (
    InvalidHookType,
    MalformedBody,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationError,
)
from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import Recommendation
from bridge_app.json_schema import Schema
from bridge_app.web.api import examples
from bridge_app.web.api.hook_bodies import EXECUTION_BODIES, LIFECYCLE_BODIES, REGISTRATION_BODIES
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


class RegistrationReceipt(HookReceipt):
    """What became of the hook of a tool. `registration_status` is `pending` until Kafka has acknowledged the event,
    `capabilities_analyzed` the number of the tool's capabilities.
    """

    tool_registration_id: Annotated[str, msgspec.Meta(pattern="^tool_")]
    registration_status: Literal["completed", "pending"]
    tool_indexed: bool
    capabilities_analyzed: int


class HookError(msgspec.Struct):
    """Why an item of a batch was refused; paths in `details.errors` begin at the item."""

    code: Literal["VALIDATION_ERROR", "INVALID_HOOK_TYPE"]
    message: str
    details: dict[str, Any]


class BatchResult(msgspec.Struct, omit_defaults=True):
    """What became of the item at `index`; `intelligence_analysis` is there when it was asked for."""

    index: int
    success: bool
    hook_id: Annotated[str, msgspec.Meta(pattern="^hook_")] | None
    correlation_id: str | None
    event_published: bool
    error: HookError | None
    intelligence_analysis: Analysis | msgspec.UnsetType = msgspec.UNSET


class BatchReceipt(msgspec.Struct):
    """What became of a batch, item by item."""

    accepted: int
    rejected: int
    results: list[BatchResult]


ANALYSIS: Final = flag_parameter("analysis", "Give each result its `intelligence_analysis`.")
DRY_RUN: Final = flag_parameter("dry_run", "Check and analyse, but publish nothing; `hook_id` is null then.")
#: Where signatures of hooks are on; each is optional, or all are required.
SIGNATURE: Final[Mapping[str, Schema]] = {
    "X-Hook-Source": {"type": "string", "description": "Whose secret signed the hook, where signatures are on."},
    "webhook-id": {"type": "string", "description": "Standard Webhooks: the id that was signed."},
    "webhook-timestamp": {"type": "string", "description": "Standard Webhooks: Unix seconds, signed too."},
    "webhook-signature": {"type": "string", "description": "Standard Webhooks: `v1,` and the signature in base64."},
}


ERRORS: Final = (MalformedBody, PayloadTooLarge, UnsupportedMediaType, ValidationError, InvalidHookType)


def _example(event: Event, analysis: dict[str, Any]) -> dict[str, Any]:
    return {
        "hook_id": hook_id(event.event_id),
        "correlation_id": event.correlation_id,
        "processing_status": "completed",
        "event_published": True,
        "intelligence_analysis": analysis,
        "processing_time_ms": 4.4,
    }


def _lifecycle_example() -> dict[str, Any]:
    return _example(examples.hook(LIFECYCLE_BODIES["started"]), examples.analysis())


def _registration_example() -> dict[str, Any]:
    event = examples.hook(REGISTRATION_BODIES["discovered"], route=TOOL_REGISTRATION)
    return {**_example(event, NOTHING_FOUND), **registration(event, is_published=True)}


def _execution_example() -> dict[str, Any]:
    return _example(examples.hook(EXECUTION_BODIES["completed"], route=TOOL_EXECUTION), NOTHING_FOUND)


def registration(event: Event, *, is_published: bool) -> dict[str, Any]:
    """Return what the answer to the hook of a tool has beyond those of other hooks."""
    return {
        "tool_registration_id": event.payload["tool_id"],
        "registration_status": "completed" if is_published else "pending",
        "tool_indexed": is_published,
        "capabilities_analyzed": len(event.payload["tool_info"].get("capabilities") or ()),
    }


NOTHING_FOUND: Final[dict[str, Any]] = {"patterns_discovered": [], "recommendations": []}

LIFECYCLE_HOOK: Final = Operation(
    tag="hooks",
    summary="A service started, stopped, or changed its health",
    description=(
        "The hook is checked, made one event and published on `hooks.service_lifecycle`; the answer comes when the "
        "event is durable. Fields that the schema does not name are kept in the event."
    ),
    body=Body(body_schema(LIFECYCLE), LIFECYCLE_BODIES),
    query=(DRY_RUN,),
    headers=SIGNATURE,
    answer=HookReceipt,
    idempotent=True,
    errors=ERRORS,
    example=_lifecycle_example,
)

TOOL_REGISTRATION_HOOK: Final = Operation(
    tag="hooks",
    summary="A tool was discovered or updated",
    description=(
        "Published on `hooks.tool_registration`. The same service, name and version is the same tool, whose "
        "`tool_registration_id` does not change."
    ),
    body=Body(body_schema(TOOL_REGISTRATION), REGISTRATION_BODIES),
    query=(DRY_RUN,),
    headers=SIGNATURE,
    answer=RegistrationReceipt,
    idempotent=True,
    errors=ERRORS,
    example=_registration_example,
)

TOOL_EXECUTION_HOOK: Final = Operation(
    tag="hooks",
    summary="A tool was executed",
    description=(
        "Published on `hooks.tool_execution`, as a failure when the status or an error says so. The answer names an "
        "anomaly when a time or an amount reaches what is usual for the tool on its service."
    ),
    body=Body(body_schema(TOOL_EXECUTION), EXECUTION_BODIES),
    query=(DRY_RUN,),
    headers=SIGNATURE,
    answer=HookReceipt,
    idempotent=True,
    errors=ERRORS,
    example=_execution_example,
)

_BATCH_ITEMS: Final[Schema] = {
    "type": "array",
    "description": "Hooks of any type, each as its own route takes it",
    "minItems": 1,
    "maxItems": MOST_ITEMS,
    "items": {},
}
_BATCH_BODY: Final[Schema] = {
    "anyOf": [_BATCH_ITEMS, {"type": "object", "properties": {"hooks": _BATCH_ITEMS}, "required": ["hooks"]}]
}


def _batch_example() -> dict[str, Any]:
    event = examples.hook(LIFECYCLE_BODIES["started"])
    result = {
        "index": 0,
        "success": True,
        "hook_id": hook_id(event.event_id),
        "correlation_id": event.correlation_id,
        "event_published": True,
        "error": None,
    }
    return {"accepted": 1, "rejected": 0, "results": [result]}


HOOK_BATCH: Final = Operation(
    tag="hooks",
    summary="Several hooks of any type at once",
    description=(
        "Each item is accepted or refused by itself; those accepted are published in the order given, and answered "
        "together when all are durable. Refused as a whole only when no item is accepted: `details.results` has the "
        "reasons then."
    ),
    body=Body(
        _BATCH_BODY,
        {
            "hooks": {"hooks": [LIFECYCLE_BODIES["started"], EXECUTION_BODIES["completed"]]},
            "array": [LIFECYCLE_BODIES["stopped"]],
        },
    ),
    query=(DRY_RUN, ANALYSIS),
    headers=SIGNATURE,
    answer=BatchReceipt,
    idempotent=True,
    errors=ERRORS[:-1],
    example=_batch_example,
)
