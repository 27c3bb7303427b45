"""GET /circuit-breaker/status and POST /circuit-breaker/reset/{service} (proxy §1, §5; resilience §1)."""

from typing import Any

import faust
import structlog
from aiohttp import web

from bridge_app.clock import Clock
from bridge_app.effects.breakers import Breakers
from bridge_app.errors import NotFound
from bridge_app.timestamps import format_us
from bridge_app.web.answers import Answers
from bridge_app.web.views import View

log = structlog.get_logger(__name__)


def register(app: faust.App, breakers: Breakers, *, answers: Answers, clock: Clock, instance_id: str) -> None:
    """Add the routes; `instance_id` is that of this worker, whose breakers these are."""

    @app.page("/circuit-breaker/status")
    class BreakerStatus(View):
        """Every breaker of this worker."""

        async def get(self, request: web.Request) -> web.Response:
            rows = [describe(breakers, name, clock, instance_id) for name in breakers]
            return answers.success(request, {"circuit_breakers": rows})

    @app.page("/circuit-breaker/reset/{service}")
    class BreakerReset(View):
        """Close a breaker by hand, whatever it guards is."""

        async def post(self, request: web.Request, service: str) -> web.Response:
            return answers.success(request, reset(breakers, service, clock))


def describe(breakers: Breakers, name: str, clock: Clock, instance_id: str) -> dict[str, Any]:
    """Return a breaker as the status shows it."""
    now_us, monotonic = clock.now_us(), clock.monotonic()

    def time_of(moment: float | None) -> str | None:
        return None if moment is None else format_us(now_us - round((monotonic - moment) * 1_000_000))

    snapshot = breakers[name].snapshot()
    return {
        "service": name,
        "state": snapshot.state,
        "failure_count": snapshot.failure_count,
        "failure_threshold": breakers[name].limits.failure_threshold,
        "success_count": snapshot.success_count,
        "last_failure_time": time_of(snapshot.last_failure_time),
        "test_requests_sent": snapshot.probes_sent,
        "circuit_opened_at": time_of(snapshot.opened_at),
        "instances": [],
        "workers": [{"instance_id": instance_id, "state": snapshot.state, "since": format_us(breakers.since_us(name))}],
    }


def reset(breakers: Breakers, service: str, clock: Clock) -> dict[str, Any]:
    """Close a breaker; return what was reset.

    Raises:
        NotFound: there is no breaker of this name.
    """
    breaker = breakers.get(service)
    if breaker is None:
        raise NotFound(f"There is no circuit breaker {service}", details={"known": sorted(breakers)})
    before = breaker.snapshot()
    breaker.reset()
    log.info("breaker_reset", breaker=service, previous=before.state)
    return {
        "service": service,
        "previous_state": before.state,
        "new_state": breaker.snapshot().state,
        "reset_time": format_us(clock.now_us()),
        "failure_count_reset": before.failure_count,
    }
