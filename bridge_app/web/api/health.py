"""GET /health and GET /ready, described."""

from typing import Final, Literal

import msgspec

from bridge_app.web.api.answers import Timestamp
from bridge_app.web.api.operation import Operation

Status = Literal["healthy", "unhealthy", "disabled"]


class Check(msgspec.Struct):
    """The outcome of the last probe of a dependency; `reason` says why it is unhealthy."""

    status: Status
    response_time_ms: float | None
    reason: str | None


class KafkaCheck(Check):
    """The outcome of the last probe of Kafka."""

    connected: bool


class OutboxCheck(Check):
    """The state of the outbox; `pending` events wait for Kafka."""

    pending: int


class Checks(msgspec.Struct):
    """What the worker needs, each probed in the background."""

    database: Check
    kafka: KafkaCheck
    consul: Check
    outbox: OutboxCheck


class HealthReport(msgspec.Struct):
    """The state of a worker."""

    status: Literal["starting", "healthy", "degraded", "unhealthy"]
    service: str
    version: str
    instance_id: str
    timestamp: Timestamp
    uptime_seconds: float
    checks: Checks


class CriticalServices(msgspec.Struct):
    """The state of what a worker cannot do without for long."""

    database: Status
    kafka: Status


class Readiness(msgspec.Struct):
    """Whether requests may be sent to this worker; if not, `reasons` says why."""

    ready: bool
    reasons: list[str]
    critical_services: CriticalServices


HEALTH: Final = Operation(
    tag="health",
    summary="The state of the worker and of what it needs",
    description="Always 200: the worker answers. Probes run in the background, so it waits for nothing.",
    answer=HealthReport,
    example=lambda: {
        "status": "degraded",
        "service": "omninode-bridge",
        "version": "0.1.0",
        "instance_id": "bridge-1-6066",
        "timestamp": "2024-01-15T10:30:00.500000Z",
        "uptime_seconds": 361.2,
        "checks": {
            "database": {"status": "healthy", "response_time_ms": 0.9, "reason": None},
            "kafka": {"status": "healthy", "response_time_ms": 1.4, "reason": None, "connected": True},
            "consul": {"status": "unhealthy", "response_time_ms": 1000.2, "reason": "no answer within 1 s"},
            "outbox": {"status": "healthy", "response_time_ms": None, "reason": None, "pending": 0},
        },
    },
)

READY: Final = Operation(
    tag="health",
    summary="Whether requests may be sent to this worker",
    description="200 when they may, else 503; both carry `data`.",
    answer=Readiness,
    data_with=(503,),
    example=lambda: {"ready": True, "reasons": [], "critical_services": {"database": "healthy", "kafka": "healthy"}},
)
