"""GET and PUT /admin/config, described."""

from typing import Any, Final, Literal

import msgspec

from bridge_app.domain.configuration.keys import KEYS
from bridge_app.domain.configuration.requests import MOST_KEYS, REASON, REASON_RULE
from bridge_app.errors import (
    Conflict,
    MalformedBody,
    PayloadTooLarge,
    ServiceUnavailable,
    UnsupportedMediaType,
    ValidationError,
)
from bridge_app.json_schema import nullable
from bridge_app.web.api import examples
from bridge_app.web.api.answers import Timestamp
from bridge_app.web.api.operation import Body, Operation

Source = Literal["consul", "consul_shared", "env", "default"]


class Sections(msgspec.Struct):
    """All settings in force, by what they are about. Secrets are `***`; null where none is set."""

    service_name: str
    version: str
    environment: str
    web: dict[str, Any]
    kafka: dict[str, Any]
    database: dict[str, Any]
    consul: dict[str, Any]
    intelligence: dict[str, Any]
    proxy: dict[str, Any]
    registry: dict[str, Any]
    auth: dict[str, Any]


class Setting(msgspec.Struct):
    """One setting and where its value comes from: `key` is its variable, or its dotted name if it can be changed here.

    `path` is where it can be set in Consul; `modify_index` is that of its value there, null when it comes from
    elsewhere.
    """

    key: str
    value: Any
    source: Source
    mutable: bool
    default: Any
    path: str | None
    modify_index: int | None


class RejectedValue(msgspec.Struct):
    """A value in Consul that does not count; the one before it is in force."""

    path: str
    value: str
    reason: str


class ConsulState(msgspec.Struct):
    """How this worker stands with Consul: its index as far as it was read, and what went wrong last."""

    connected: bool
    last_index: int | None
    last_error: str | None


class ConfigurationReport(msgspec.Struct):
    """The configuration of one worker. `unknown_keys` are paths in Consul that nobody reads."""

    configuration: Sections
    effective: list[Setting]
    unknown_keys: list[str]
    rejected: list[RejectedValue]
    last_updated: Timestamp | None
    consul: ConsulState


class ConfigurationReceipt(msgspec.Struct):
    """What was written, and is in force on the answering worker."""

    updated_keys: list[str]
    restart_required: bool
    updated_at: Timestamp
    modify_index: int


def _body_schema() -> dict[str, Any]:
    keys = {key.dotted: {"description": f"{key.kind.expected}; null deletes it. Effect: {key.effect}"} for key in KEYS}
    return {
        "type": "object",
        "properties": {**keys, REASON: nullable(REASON_RULE.schema())},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": MOST_KEYS + 1,
    }


SHOW: Final = Operation(
    tag="admin",
    summary="Every setting of this worker, and where its value comes from",
    answer=ConfigurationReport,
    example=lambda: examples.configuration(),
)

CHANGE: Final = Operation(
    tag="admin",
    summary="Change settings without a restart",
    description=(
        f"Up to {MOST_KEYS} keys, all or nothing: they are written into Consul, with who and why, in one transaction. "
        "The answering worker has them in force when it answers, the others follow within 2 s. null deletes a key, so "
        "that the next source counts."
    ),
    body=Body(
        _body_schema(),
        {
            "set": {"tool-capture-proxy.cache_ttl": 90, "change_reason": "prices change often today"},
            "back": {"tool-capture-proxy.cache_ttl": None},
        },
    ),
    answer=ConfigurationReceipt,
    errors=(Conflict, MalformedBody, PayloadTooLarge, UnsupportedMediaType, ValidationError, ServiceUnavailable),
    example=lambda: {
        "updated_keys": ["tool-capture-proxy.cache_ttl"],
        "restart_required": False,
        "updated_at": "2024-01-15T10:30:00.512000Z",
        "modify_index": 4711,
    },
)
