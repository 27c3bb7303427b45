"""What operators ask a worker: `GET /admin/info` and `GET /admin/logs` (hooks §11)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import faust
import orjson
from aiohttp import web

from bridge_app import __version__
from bridge_app.build import build
from bridge_app.clock import Clock
from bridge_app.health import DISABLED, HEALTHY, SERVICE_NAME, Health
from bridge_app.logs import RECENT, RecentRecords
from bridge_app.parameters import Reader
from bridge_app.process_figures import CpuShare, memory_mb
from bridge_app.web.answers import Answers
from bridge_app.web.api import operations as api
from bridge_app.web.api.operation import describe
from bridge_app.web.views import View

_STATES: Final = {HEALTHY: "connected", DISABLED: "disabled"}
_DEPENDENCIES: Final = ("database", "kafka", "consul")


def register(
    app: faust.App,
    health: Health,
    *,
    environment: str,
    connections: Callable[[], int],
    answers: Answers,
    clock: Clock,
    records: RecentRecords = RECENT,
) -> None:
    """Add the routes; `connections` tells how many clients are connected."""
    cpu = CpuShare(clock.monotonic)

    @app.page("/admin/info")
    class Info(View):
        """What runs here, and how it is."""

        @describe(api.INFO)
        async def get(self, request: web.Request) -> web.Response:
            report = health.report()
            data = {
                "service": {
                    "name": SERVICE_NAME,
                    "version": __version__,
                    "build_time": build().time,
                    "git_commit": build().commit,
                    "environment": environment,
                },
                "runtime": {
                    "uptime_seconds": report["uptime_seconds"],
                    "memory_usage_mb": memory_mb(),
                    "cpu_usage_percent": cpu.percent(),
                    "active_connections": connections(),
                },
                "dependencies": {
                    name: _STATES.get(report["checks"][name]["status"], "disconnected") for name in _DEPENDENCIES
                },
            }
            return answers.success(request, data)

    @app.page("/admin/logs")
    class Logs(View):
        """The last records of this worker's log."""

        @describe(api.LOGS)
        async def get(self, request: web.Request) -> web.Response:
            return answers.success(request, {"logs": list_logs(request.query, records)})


def list_logs(params: Mapping[str, str], records: RecentRecords) -> list[dict[str, Any]]:
    """Return the records that are asked for, oldest first.

    Raises:
        ValidationError: naming every parameter that is wrong.
    """
    read = Reader(params)
    level, since_us, most = (read.value(parameter) for parameter in api.LOG_PARAMETERS)
    read.finish()
    return [_shown(one) for one in records.list(level=level, since_us=since_us, most=most)]


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    shown = {
        "timestamp": record["timestamp"],
        "level": str(record.get("level", "info")).upper(),
        "message": str(record.get("event", "")),
    }
    others = {name: value for name, value in record.items() if name not in ("timestamp", "level", "event")}
    plain: dict[str, Any] = orjson.loads(orjson.dumps(others, default=str, option=orjson.OPT_NON_STR_KEYS))
    return {**plain, **shown}
