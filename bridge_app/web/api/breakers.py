"""GET /circuit-breaker/status and POST /circuit-breaker/reset/{service}, described."""

from typing import Any, Final, Literal

import msgspec

from bridge_app.errors import NotFound
from bridge_app.settings.breakers import DEFAULTS
from bridge_app.web.api.answers import Timestamp
from bridge_app.web.api.operation import Operation

State = Literal["closed", "half_open", "open"]


class WorkerBreaker(msgspec.Struct):
    """A breaker as one worker has it, and since when."""

    instance_id: str
    state: State
    since: Timestamp


class Breaker(msgspec.Struct):
    """A circuit breaker; `service` is what it guards, `test_requests_sent` counts its probes while half-open."""

    service: str
    state: State
    failure_count: int
    failure_threshold: int
    success_count: int
    last_failure_time: Timestamp | None
    test_requests_sent: int
    circuit_opened_at: Timestamp | None
    instances: list[dict[str, Any]]
    workers: list[WorkerBreaker]


class BreakerList(msgspec.Struct):
    """Every breaker of the worker."""

    circuit_breakers: list[Breaker]


class BreakerReset(msgspec.Struct):
    """A breaker that was closed by hand."""

    service: str
    previous_state: State
    new_state: State
    reset_time: Timestamp
    failure_count_reset: int


_TIME: Final = "2024-01-15T10:30:00.500000Z"

STATUS: Final = Operation(
    tag="resilience",
    summary="Every circuit breaker of this worker",
    answer=BreakerList,
    example=lambda: {
        "circuit_breakers": [
            {
                "service": "postgres",
                "state": "open",
                "failure_count": 5,
                "failure_threshold": DEFAULTS["postgres"].failure_threshold,
                "success_count": 0,
                "last_failure_time": _TIME,
                "test_requests_sent": 0,
                "circuit_opened_at": _TIME,
                "instances": [],
                "workers": [{"instance_id": "bridge-1-6066", "state": "open", "since": _TIME}],
            }
        ]
    },
)

RESET: Final = Operation(
    tag="resilience",
    summary="Close a circuit breaker by hand",
    path={"service": {"type": "string", "enum": list(DEFAULTS), "examples": ["postgres"]}},
    answer=BreakerReset,
    errors=(NotFound,),
    example=lambda: {
        "service": "postgres",
        "previous_state": "open",
        "new_state": "closed",
        "reset_time": _TIME,
        "failure_count_reset": 5,
    },
)
