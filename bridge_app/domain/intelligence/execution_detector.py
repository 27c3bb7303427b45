"""Executions of one tool by one service: `performance_anomaly`, `performance_trend`, `failure_pattern` (§3)."""

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
from bridge_app.topics import HOOKS_TOOL_EXECUTION

SOURCE_PARTITIONS = 8


class Executions(msgspec.Struct, array_like=True, tag="exec", frozen=True):
    """The state of `exec|<tool>|<executor>`: under 16 KiB."""

    tool: str
    executor: str
    seen: Seen = Seen()
    watch: Watch = Watch()
    failures: FailureWatch = FailureWatch()
    figures: Figures = Figures()


Applied: TypeAlias = tuple[Executions, Sequence[Derived]]


class ExecutionDetector(NamedTuple):
    """Follows the executions of one tool and executor per key."""

    watcher: Watcher
    failures: FailureWatcher

    def step(self, key: str, known: Executions | None, observation: ExecutionObservation, cause: Cause) -> Applied:
        """Judge one execution: its amounts when it succeeded, its outcome unless it was cancelled."""
        state = known or Executions(observation.tool, observation.executor)
        if state.seen.has(observation):
            return state, ()
        derived: list[Derived] = []
        while (due := self.due(state)) is not None and due <= cause.time_us:
            state, passed = self.elapse(key, state, due)
            derived += passed
        about = subject_of(state)
        watch, failures = state.watch, state.failures
        if observation.outcome == "success":
            watch, _, found = self.watcher.take(about, watch, values_of(observation), cause)
            derived += found
        if observation.outcome != "cancelled":
            failures, alarms = self.failures.take(about, failures, observation.outcome == "failure", cause)
            derived += alarms
        noted = figures.noted(state.figures, observation.execution_time_ms, observation.outcome == "failure", cause)
        seen = state.seen.with_(observation, SOURCE_PARTITIONS)
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


def _tell(state: Executions, now_us: int) -> Applied:
    known = figures.Known(subject_of(state), state.watch.metrics, state.failures.outcomes, EXECUTION_TIME.name)
    after, told = figures.told(state.figures, known, now_us)
    return msgspec.structs.replace(state, figures=after), told


def subject_of(state: Executions) -> Subject:
    """Return what a series of executions is about."""
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
