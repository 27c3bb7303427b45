"""GET /admin/info and GET /admin/logs, described."""

from typing import Any, Final, Literal

import msgspec

from bridge_app import __version__
from bridge_app.errors import ValidationError
from bridge_app.health import SERVICE_NAME
from bridge_app.json_schema import any_case
from bridge_app.logs import MOST_RECENT
from bridge_app.parameters import Parameter, limit_parameter, time_parameter
from bridge_app.settings.general import LEVELS
from bridge_app.web.api.answers import Timestamp
from bridge_app.web.api.operation import Operation

Connection = Literal["connected", "disconnected", "disabled"]


class ServiceInfo(msgspec.Struct):
    """Which release runs. Time and commit of the build are null unless `make build-info` has written them before it was
    packaged; the commit of an installation from a repository is known, too.
    """

    name: str
    version: str
    build_time: Timestamp | None
    git_commit: str | None
    environment: str


class RuntimeInfo(msgspec.Struct):
    """What the worker uses: resident memory in MiB, percent of one CPU since it was asked last, open connections."""

    uptime_seconds: float
    memory_usage_mb: float
    cpu_usage_percent: float
    active_connections: int


class Dependencies(msgspec.Struct):
    """What the worker needs."""

    database: Connection
    kafka: Connection
    consul: Connection


class WorkerInfo(msgspec.Struct):
    """What runs, and how it is."""

    service: ServiceInfo
    runtime: RuntimeInfo
    dependencies: Dependencies


class LogList(msgspec.Struct):
    """Records of the log, oldest first: `timestamp`, `level`, `message`, and the fields of each. Secrets are masked."""

    logs: list[dict[str, Any]]


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise ValueError(f"Expected one of {', '.join(LEVELS)}")
    return text.upper()


LEVEL: Final = Parameter(
    "level",
    _level,
    {"type": "string", "pattern": any_case(LEVELS)},
    "Only records of this level and above.",
    "DEBUG",
    ("ERROR",),
)
SINCE: Final = time_parameter("since", "Only records from this time on.")
LINES: Final = limit_parameter("Records, the last ones.")._replace(name="lines")
LOG_PARAMETERS: Final = (LEVEL, SINCE, LINES)

INFO: Final = Operation(
    tag="admin",
    summary="What runs here, and how it is",
    answer=WorkerInfo,
    example=lambda: {
        "service": {
            "name": SERVICE_NAME,
            "version": __version__,
            "build_time": "2024-01-15T10:30:00.000000Z",
            "git_commit": "2371d9f8a1c4e0b7d6f5a4c3b2e1d0f9a8b7c6d5",
            "environment": "development",
        },
        "runtime": {
            "uptime_seconds": 86400.5,
            "memory_usage_mb": 212.4,
            "cpu_usage_percent": 3.1,
            "active_connections": 4,
        },
        "dependencies": {"database": "connected", "kafka": "connected", "consul": "disabled"},
    },
)

LOGS: Final = Operation(
    tag="admin",
    summary="The last records of this worker's log",
    description=f"A worker keeps its last {MOST_RECENT} records in memory.",
    query=LOG_PARAMETERS,
    answer=LogList,
    errors=(ValidationError,),
    example=lambda: {
        "logs": [
            {
                "timestamp": "2024-01-15T10:30:00.512000Z",
                "level": "WARNING",
                "message": "publisher_waiting_for_kafka",
                "logger": "bridge_app.effects.publisher",
                "error": "TimeoutError()",
            }
        ]
    },
)
