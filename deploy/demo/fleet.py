"""What a small shop reports in half a minute: it starts, works, one service degrades and recovers, another restarts."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

Hook = dict[str, Any]

STARTS_MS = {"gateway": 2000, "catalogue": 2200, "cart": 2400, "images": 2600, "payment": 2800}
#: Who calls which tool of whom, and how long that usually takes, in milliseconds.
CALLS = (
    ("gateway", "search", "catalogue", 40.0),
    ("catalogue", "resize", "images", 150.0),
    ("cart", "charge", "payment", 220.0),
)
CALLS_PER_ROUND = 6
USUAL_ROUNDS, SLOW_ROUNDS, FAILING_ROUNDS, CALM_ROUNDS, RESTARTS = 8, 3, 2, 2, 5
SLOWED = 9.0


class Round(NamedTuple):
    """What is reported at once, and what happens, in words."""

    text: str
    hooks: list[Hook]


class Fleet:
    """The fleet of one run: `tag` ends all its names, so that it meets nobody's history."""

    def __init__(self, tag: str, random: Random) -> None:
        self._tag = tag
        self._random = random
        self._number = 0

    def rounds(self) -> Iterator[Round]:
        """Yield what is reported, round by round; a round takes about a second of the fleet's time."""
        tools = [self._tool(tool, executor) for _, tool, executor, _ in CALLS]
        yield Round("five services start and register their tools", [*self._starts(), *tools])
        for _ in range(USUAL_ROUNDS):
            yield Round("they work as usual", self._calls())
            yield Round("they work as usual", self._sessions("pay"))
        yield Round("payment is degraded", [self._health("payment", "healthy", "degraded")])
        for _ in range(SLOW_ROUNDS):
            yield Round("payment is slow", self._calls(slow="payment"))
        for _ in range(FAILING_ROUNDS):
            yield Round("payment fails", self._calls(failing="payment"))
        yield Round("payment is well again", [self._health("payment", "degraded", "healthy")])
        for _ in range(CALM_ROUNDS):
            yield Round("they work as usual", self._calls())
        for _ in range(RESTARTS):
            yield Round("images restarts, again and again", [self._stop("images"), self._start("images", 2600)])

    def _starts(self) -> list[Hook]:
        return [self._start(service, time_ms) for service, time_ms in STARTS_MS.items()]

    def _calls(self, *, slow: str = "", failing: str = "") -> list[Hook]:
        """Return the calls of one round; every session searches."""
        hooks = []
        for caller, tool, executor, usual_ms in CALLS:
            for number in range(CALLS_PER_ROUND):
                time_ms = self._random.gauss(usual_ms, usual_ms / 25) * (SLOWED if executor == slow else 1)
                session = f"{self._tag}-{number}" if tool == "search" else None
                hooks.append(self._call(caller, tool, executor, time_ms, session, failed=executor == failing))
        return hooks

    def _sessions(self, tool: str) -> list[Hook]:
        """Return what the sessions do after they have searched."""
        sessions = (f"{self._tag}-{number}" for number in range(CALLS_PER_ROUND))
        return [self._call("gateway", tool, "cart", self._random.gauss(60, 2), session) for session in sessions]

    def _call(
        self, caller: str, tool: str, executor: str, time_ms: float, session: str | None, *, failed: bool = False
    ) -> Hook:
        self._number += 1
        info: Hook = {
            "tool_name": self._name(tool),
            "execution_id": f"{self._tag}-{self._number}",
            "requester_service": self._name(caller),
            "executor_service": self._name(executor),
            "execution_time_ms": round(time_ms, 1),
        }
        if session is not None:
            info["execution_context"] = {"session_id": session}
        result = {"status": "failed", "error": "connection refused"} if failed else {"status": "success"}
        return {"hook_type": "tool_executed", "execution_info": info, "execution_result": result}

    def _start(self, service: str, time_ms: int) -> Hook:
        steps = [
            {"step": "load_config", "duration_ms": time_ms // 10},
            {"step": "connect_database", "duration_ms": time_ms // 2},
        ]
        return {
            "hook_type": "service_started",
            "service_info": self._info(service),
            "startup_info": {"startup_time_ms": time_ms, "initialization_steps": steps},
        }

    def _stop(self, service: str) -> Hook:
        return {
            "hook_type": "service_stopped",
            "service_info": self._info(service),
            "shutdown_info": {"shutdown_reason": "out of memory"},
        }

    def _health(self, service: str, before: str, now: str) -> Hook:
        return {
            "hook_type": "health_changed",
            "service_info": self._info(service),
            "health_transition": {"previous_status": before, "current_status": now},
        }

    def _tool(self, tool: str, service: str) -> Hook:
        info = {"name": self._name(tool), "version": "1.0.0", "service_source": self._name(service), "category": "shop"}
        return {"hook_type": "tool_discovered", "tool_info": info}

    def _info(self, service: str) -> Hook:
        name = self._name(service)
        return {"name": name, "version": "1.0.0", "instance_id": f"{name}-1"}

    def _name(self, name: str) -> str:
        return f"{name}-{self._tag}"
