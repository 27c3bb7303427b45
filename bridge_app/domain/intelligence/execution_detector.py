"""Executions of one tool by one service, and proxied calls of one: `performance_anomaly`, `performance_trend`,
`failure_pattern` (§3).
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from bridge_app.domain.intelligence import figures
from bridge_app.domain.intelligence.failure_watch import FailureWatch, FailureWatcher
from bridge_app.domain.intelligence.figures import Figures
from bridge_app.domain.intelligence.metric import CPU_PEAK, EXECUTION_TIME, MEMORY_PEAK, Kind
from bridge_app.domain.intelligence.seen import Seen
from bridge_app.domain.intelligence.series import Subject, names
from bridge_app.domain.intelligence.watch import Watch, Watcher
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import ExecutionObservation
from bridge_app.topics import HOOKS_TOOL_EXECUTION, PROXY_REQUESTS

SOURCE_PARTITIONS = 8


class Executions(msgspec.Struct, array_like=True, tag="exec", frozen=True):
    """The state of `exec|<tool>|<executor>`: under 16 KiB."""

    tool: str
    executor: str
    seen: Seen = Seen()
    watch: Watch = Watch()
    failures: FailureWatch = FailureWatch()
    figures: Figures = Figures()


class Proxied(Executions, array_like=True, tag="proxy", frozen=True):
    """The state of `proxy|<tool>|<target service>`, which is the executor: under 16 KiB."""


Applied: TypeAlias = tuple[Executions, Sequence[Derived]]


class ExecutionDetector(NamedTuple):
    """Follows the executions of one tool and executor per key, in states of one type."""

    watcher: Watcher
    failures: FailureWatcher
    state_type: type[Executions] = Executions

    def step(self, _key: str, known: Executions | None, observation: ExecutionObservation, cause: Cause) -> Applied:
        """Judge one execution: its amounts when it succeeded, its outcome unless it was cancelled."""
        state = known or self.state_type(observation.tool, observation.executor)
        about = subject_of(state)
        derived: list[Derived] = []
        watch, failures = state.watch, state.failures
        if observation.outcome == "success":
            watch, _, found = self.watcher.take(about, watch, values_of(observation), cause)
            derived += found
        if observation.outcome != "cancelled":
            failures, alarms = self.failures.take(about, failures, observation.outcome == "failure", cause)
            derived += alarms
        noted = figures.noted(state.figures, observation.execution_time_ms, observation.outcome == "failure", cause)
        seen = state.seen.with_(observation, SOURCE_PARTITIONS, cause.time_us)
        state = msgspec.structs.replace(state, seen=seen, watch=watch, failures=failures, figures=noted)
        state, told = _tell(state, cause.time_us)
        return state, [*derived, *told]

    def due(self, state: Executions) -> int | None:
        """Return when silence ends an episode, or there is something to tell."""
        deadlines = (self.watcher.due(state.watch), self.failures.due(state.failures), figures.due(state.figures))
        return min((due for due in deadlines if due is not None), default=None)

    def elapse(self, _key: str, state: Executions, now_us: int) -> Applied:
        """End the episodes and tell the figures of the next deadline, if it has come."""
        due = self.due(state)
        if due is None or due > now_us:
            return state, ()
        about = subject_of(state)
        watch, ended = self.watcher.elapse(about, state.watch, due)
        failures, over = self.failures.elapse(about, state.failures, due)
        state, told = _tell(msgspec.structs.replace(state, watch=watch, failures=failures), due)
        return state, [*ended, *over, *told]

    def drop(self, _key: str, state: Executions, now_us: int) -> tuple[None, Sequence[Derived]]:
        """End the episodes and tell the last figures; nothing remains."""
        about = subject_of(state)
        ended = [*self.watcher.drop(about, state.watch, now_us), *self.failures.drop(about, state.failures, now_us)]
        return None, [*ended, *figures.last_told(state.figures, _known(state))]


def _tell(state: Executions, now_us: int) -> Applied:
    after, told = figures.told(state.figures, _known(state), now_us)
    return msgspec.structs.replace(state, figures=after), told


def _known(state: Executions) -> figures.Known:
    return figures.Known(subject_of(state), state.watch.metrics, state.failures.outcomes, EXECUTION_TIME.name)


def subject_of(state: Executions) -> Subject:
    """Return what a series of executions is about."""
    if isinstance(state, Proxied):
        name = f"{state.tool} on {state.executor}, proxied"
        key = f"proxy|{state.tool}|{state.executor}"
        return Subject(key, name, (state.tool,), names(state.executor), (PROXY_REQUESTS.name,))
    name = f"{state.tool} on {state.executor}" if state.executor else state.tool
    return Subject(
        f"exec|{state.tool}|{state.executor}", name, (state.tool,), names(state.executor), (HOOKS_TOOL_EXECUTION.name,)
    )


def values_of(observation: ExecutionObservation) -> dict[Kind, float]:
    """Return the values of an execution, by metric."""
    found = {
        EXECUTION_TIME: observation.execution_time_ms,
        CPU_PEAK: observation.cpu_peak_percent,
        MEMORY_PEAK: observation.memory_peak_mb,
    }
    return {kind: value for kind, value in found.items() if value is not None}
