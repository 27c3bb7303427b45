"""POST /hooks/*, described."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from bridge_app.domain.hook_schemas import body_schema
from bridge_app.domain.hooks import LIFECYCLE, hook_id
from bridge_app.errors import (
    InvalidHookType,
    MalformedBody,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationError,
)
from bridge_app.events.intelligence import Recommendation
from bridge_app.json_schema import Schema
from bridge_app.web.api import examples
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
#: Where signatures of hooks are on; each is optional, or all are required.
SIGNATURE: Final[Mapping[str, Schema]] = {
    "X-Hook-Source": {"type": "string", "description": "Whose secret signed the hook, where signatures are on."},
    "webhook-id": {"type": "string", "description": "Standard Webhooks: the id that was signed."},
    "webhook-timestamp": {"type": "string", "description": "Standard Webhooks: Unix seconds, signed too."},
    "webhook-signature": {"type": "string", "description": "Standard Webhooks: `v1,` and the signature in base64."},
}


def _example() -> dict[str, Any]:
    event = examples.hook(examples.LIFECYCLE_BODIES["started"])
    return {
        "hook_id": hook_id(event.event_id),
        "correlation_id": event.correlation_id,
        "processing_status": "completed",
        "event_published": True,
        "intelligence_analysis": examples.analysis(),
        "processing_time_ms": 4.4,
    }


LIFECYCLE_HOOK: Final = Operation(
    tag="hooks",
    summary="A service started, stopped, or changed its health",
    description=(
        "The hook is checked, made one event and published on `hooks.service_lifecycle`; the answer comes when the "
        "event is durable. Fields that the schema does not name are kept in the event."
    ),
    body=Body(body_schema(LIFECYCLE), examples.LIFECYCLE_BODIES),
    query=(DRY_RUN,),
    headers=SIGNATURE,
    answer=HookReceipt,
    idempotent=True,
    errors=(MalformedBody, PayloadTooLarge, UnsupportedMediaType, ValidationError, InvalidHookType),
    example=_example,
)
