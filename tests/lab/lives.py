"""What the services of workload W tell of themselves: lifecycle hooks of every type, seeded."""

import random
from collections.abc import Iterator
from typing import Any

STARTS = ("service_started", "service_start", "SERVICE-STARTED")
STOPS = ("service_stopped", "service_stop")
CHANGES = ("health_changed", "service_health_change", "service_health_changed")
STATUSES = ("healthy", "degraded", "unhealthy", "critical", "unknown")


def lives(rng: random.Random, service: str) -> Iterator[dict[str, Any]]:
    """Yield the hook bodies of a service without end, one instance after the other; each instance starts once."""
    life = 0
    while True:
        life += 1
        info = {"name": service, "version": "1.0.0", "instance_id": f"{service}-{life}"}
        yield {"hook_type": rng.choice(STARTS), "service_info": info, **_start(rng, info)}
        for _ in range(rng.randrange(3)):
            transition = {"current_status": rng.choice(STATUSES), "change_reason": "because"}
            yield {"hook_type": rng.choice(CHANGES), "service_info": info, "health_transition": transition}
        if rng.random() < 0.7:  # the others die without a word
            yield {"hook_type": rng.choice(STOPS), "service_info": info, "shutdown_info": {"shutdown_signal": "TERM"}}


def _start(rng: random.Random, info: dict[str, Any]) -> dict[str, Any]:
    """Return the sections of a start that tell its time; one in four tells none."""
    took = rng.randrange(100, 5000)
    kind = rng.randrange(4)
    if kind == 0:
        return {"service_info": {**info, "startup_time_ms": took}}
    if kind == 1:
        return {"startup_info": {"startup_time_ms": took}}
    if kind == 2:
        steps = [{"step": "config", "duration_ms": took // 3}, {"step": "database", "duration_ms": took // 2}]
        return {"startup_info": {"initialization_steps": steps}}
    return {}
