"""Stage 1 for proxied calls: what one that reached a target says of the tool there, and of the link to it.

The events are the proxy's own or another producer's. What has a wrong form counts as lacking; a call that does not say
which tool of which service it reached is worth nothing.
"""

import math
from typing import Any
from uuid import UUID

from bridge_app.domain.intelligence.keyed import Keyed, origin_of
from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import ExecutionObservation, LinkObservation

ROUTED, FAILED = "proxy.request.routed", "proxy.request.failed"
NAME_LENGTH = 200


def observe_proxied(event: Event) -> list[Keyed]:
    """Return the observations a proxied call is worth, none when no target saw it and for events of other kinds."""
    if event.normal_type not in (ROUTED, FAILED):
        return []
    request = _section(event, "request_info")
    tool, target = _name(request, "tool_name"), _name(request, "target_service")
    if tool is None or target is None or not _reached(event):
        return []
    failed = event.normal_type == FAILED
    time_ms = _amount(_section(event, "outcome"), "execution_time_ms")
    cause_id, origin = UUID(event.event_id), origin_of(event)
    execution = ExecutionObservation(
        cause_id=cause_id,
        origin=origin,
        tool=tool,
        executor=target,
        outcome="failure" if failed else "success",
        execution_time_ms=time_ms,
    )
    found: list[Keyed] = [(f"proxy|{tool}|{target}", execution)]
    if source := _name(request, "source_service"):
        link = LinkObservation(
            cause_id=cause_id, origin=origin, source=source, target=target, tool=tool, failed=failed, time_ms=time_ms
        )
        found.append((f"link|{source}|{target}", link))
    return found


def _reached(event: Event) -> bool:
    """Whether a target saw the call: an instance was selected, and was tried."""
    selected = _section(event, "routing_decision").get("selected_instance")
    answered_here = _section(event, "caching_info").get("cache_hit") is True
    attempts = _amount(_section(event, "outcome"), "attempts")
    return bool(selected) and not answered_here and attempts != 0


def _section(event: Event, name: str) -> dict[str, Any]:
    section = event.payload.get(name)
    return section if isinstance(section, dict) else {}


def _name(section: dict[str, Any], name: str) -> str | None:
    value = section.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= NAME_LENGTH else None


def _amount(section: dict[str, Any], name: str) -> int | float | None:
    value = section.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if math.isfinite(value) and value >= 0 else None
