"""GET and POST /admin/agents/*, described."""

from typing import Annotated, Any, Final, Literal

import msgspec

from bridge_app.errors import (
    Conflict,
    MalformedBody,
    NotFound,
    PayloadTooLarge,
    ServiceUnavailable,
    UnsupportedMediaType,
    ValidationError,
)
from bridge_app.events.fields import Array, Integer, Number, Object, Pattern, Text
from bridge_app.timestamps import RFC3339
from bridge_app.web.api.operation import Body, Operation

AgentStatus = Literal["running", "waiting", "stopped", "recovering"]
State = Literal["closed", "half_open", "open"]
Count = Annotated[int, msgspec.Meta(ge=0)]

MOST_DEAD_LETTERS: Final = 1000

RESUME_BODY: Final = Object({"topic": Text(1, 249), "max_dead_letters": Integer(0, 1_000_000)})
REBUILD_BODY: Final = Object(
    {
        "topics": Array(Text(1, 249)),
        "from": Pattern(f"earliest|(?:{RFC3339})", "`earliest` or an RFC 3339 time"),
        "rate_per_second": Number(),
    }
)


class Agent(msgspec.Struct):
    """An agent on one of its topics, on this worker; `lag` in records of the whole group, null while it is unknown."""

    name: str
    topic: str
    status: AgentStatus
    partitions: Count
    lag: Count | None
    last_error: str | None


class AgentList(msgspec.Struct):
    """Every agent of the worker on every topic that it reads here."""

    agents: list[Agent]


class AdapterTopic(msgspec.Struct):
    """One topic; `partitions` are those of this worker, the lag is the group's, null while it is unknown."""

    topic: str
    partitions: Count
    lag_records: Count | None
    lag_seconds: float | None
    status: AgentStatus
    last_error: str | None


class Batches(msgspec.Struct):
    """Batches that were committed; sizes in records."""

    count: Count
    last_size: Count
    average_size: float
    bisections: Count


class Durations(msgspec.Struct):
    """How long the last thousand transactions took."""

    average_ms: float
    p95_ms: float
    p99_ms: float


class Errors(msgspec.Struct):
    """Errors of Postgres."""

    transient: Count
    permanent: Count
    last: str | None


class PoolState(msgspec.Struct):
    """Connections for reads."""

    size: Count
    in_use: Count
    available: Count


class RebuildState(msgspec.Struct):
    """The last rebuild of this worker, in records."""

    rebuild_id: str
    done: Count
    total: Count
    status: Literal["running", "completed", "cancelled", "failed"]
    error: str | None


class Adapter(msgspec.Struct):
    """The database adapter of one worker since it started; `events_per_second` over the last minute."""

    status: AgentStatus
    topics: list[AdapterTopic]
    total_events: Count
    duplicates_skipped: Count
    rows_by_table: dict[str, int]
    dead_letters_by_error_type: dict[str, int]
    batches: Batches
    transactions: Count
    performance: Durations
    events_per_second: float
    errors: Errors
    circuit_breaker: State
    database_version: str | None
    pool: PoolState
    rebuild: RebuildState | None
    uptime_seconds: float


class Resumed(msgspec.Struct):
    """An agent that goes on."""

    agent: str
    status: AgentStatus


class RebuildReceipt(msgspec.Struct):
    """A rebuild that has begun."""

    rebuild_id: str


_TOPIC: Final = "hooks.service_lifecycle"
_AGENT: Final = {"type": "string", "examples": ["database_adapter"]}
_BODY_ERRORS: Final = (MalformedBody, PayloadTooLarge, UnsupportedMediaType, ValidationError, ServiceUnavailable)


def _adapter() -> dict[str, Any]:
    topic = {"topic": _TOPIC, "partitions": 8, "lag_records": 12, "lag_seconds": 0.25, "status": "running"}
    return {
        "status": "running",
        "topics": [{**topic, "last_error": None}],
        "total_events": 1500,
        "duplicates_skipped": 3,
        "rows_by_table": {"event_logs": 1497, "intelligence_patterns": 20},
        "dead_letters_by_error_type": {"INVALID_JSON": 1},
        "batches": {"count": 30, "last_size": 50, "average_size": 50.0, "bisections": 0},
        "transactions": 30,
        "performance": {"average_ms": 4.1, "p95_ms": 8.5, "p99_ms": 12.25},
        "events_per_second": 25.0,
        "errors": {"transient": 0, "permanent": 0, "last": None},
        "circuit_breaker": "closed",
        "database_version": "15.4",
        "pool": {"size": 10, "in_use": 1, "available": 9},
        "rebuild": None,
        "uptime_seconds": 60.5,
    }


AGENTS: Final = Operation(
    tag="admin",
    summary="Every agent of this worker",
    answer=AgentList,
    example=lambda: {
        "agents": [
            {"name": "database_adapter", "topic": _TOPIC, "status": "running", "partitions": 8, "lag": 0,
             "last_error": None}
        ]
    },
)  # fmt: skip

ADAPTER: Final = Operation(tag="admin", summary="The database adapter of this worker", answer=Adapter, example=_adapter)

RESUME: Final = Operation(
    tag="admin",
    summary="Let an agent read its stopped topics again",
    description=(
        "Reading starts at the record at which the topic stopped. The first `max_dead_letters` bad records of a topic "
        "are not judged at all; 1000 when nothing is said."
    ),
    path={"agent": _AGENT},
    body=Body(RESUME_BODY.schema(), {"all": {}, "one": {"topic": _TOPIC, "max_dead_letters": 200}}),
    answer=Resumed,
    errors=(NotFound, Conflict, *_BODY_ERRORS),
    example=lambda: {"agent": "database_adapter", "status": "running"},
)

REBUILD: Final = Operation(
    tag="admin",
    summary="Write again what the topics still hold",
    description=(
        "Reads from the beginning, or from a time, up to what is stored now, while new records go on being stored. "
        "What is there already stays as it is. `rate_per_second` is a limit in records, 0 for none."
    ),
    status=202,
    body=Body(
        REBUILD_BODY.schema(),
        {"all": {}, "some": {"topics": [_TOPIC], "from": "2024-01-15T10:30:00Z", "rate_per_second": 1000}},
    ),
    answer=RebuildReceipt,
    errors=(Conflict, *_BODY_ERRORS),
    example=lambda: {"rebuild_id": "4f402fbd-56a9-556f-b871-1cc22a7af9dc"},
)
