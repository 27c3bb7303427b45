"""`tool_sequence`: which tool is used after which (intelligence §4.3).

A session knows its last two tools by time. A step from one tool to another within a minute becomes an observation of
the first tool, whose state counts its successors over all sessions. Tools have topics of their own order: a use that
comes late takes its place before the last one.
"""

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

import msgspec

from bridge_app import ids
from bridge_app.domain.intelligence.keyed import observed
from bridge_app.domain.intelligence.link_detector import is_milestone
from bridge_app.domain.intelligence.measures import confidence, wilson_lower
from bridge_app.domain.intelligence.reports import Report
from bridge_app.domain.intelligence.seen import Seen
from bridge_app.domain.intelligence.series import names
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import TOOL_SEQUENCE, Pattern, SessionObservation, SuccessorObservation
from bridge_app.topics import HOOKS_TOOL_EXECUTION

SOON_US = 60 * 1_000_000
SESSION_US = 30 * 60 * 1_000_000
SUCCESSORS = 50
GAPS = 10
#: Steps after which a sequence is a pattern; then at 20, 40, 80 …
FIRST_STEPS = 10
SOURCE_PARTITIONS = 8


class Session(msgspec.Struct, array_like=True, tag="session", frozen=True):
    """The state of `session|<session>`: its last tool and when that was used, and the same of the one before, if there
    was one. Forgotten after 30 min of silence.
    """

    seen: Seen
    tool: str
    time_us: int
    before: tuple[str, int] | None = None


class Successor(msgspec.Struct, array_like=True, frozen=True):
    """A tool that is used after another: how often, and the last gaps in milliseconds."""

    count: int
    revision: int
    first_us: int
    gaps_ms: tuple[float, ...]


class Successors(msgspec.Struct, array_like=True, tag="next", frozen=True):
    """The state of `next|<tool>`: its successors, the one seen longest ago first, and how many steps there were."""

    seen: Seen
    total: int
    tools: dict[str, Successor]


class SessionDetector(NamedTuple):
    """Follows the tools of one session per key."""

    def step(
        self, _key: str, known: Session | None, observation: SessionObservation, cause: Cause
    ) -> tuple[Session, Sequence[Derived]]:
        """Note a tool; the step to it from the one before, when that was soon before, is an observation of that one.

        A tool that was used before the last one, and is told of later, is the one before from now on, and the last one
        a step from it. What was used even earlier comes too late.
        """
        seen = (known.seen if known else Seen()).with_(observation, SOURCE_PARTITIONS, cause.time_us)
        tool, time_us = observation.tool, cause.time_us
        if known is None:
            return Session(seen, tool, time_us), ()
        last = (known.tool, known.time_us)
        if time_us >= known.time_us:
            return Session(seen, tool, time_us, last), _steps(last, (tool, time_us), observation, cause)
        if known.before is not None and time_us < known.before[1]:
            return msgspec.structs.replace(known, seen=seen), ()
        state = msgspec.structs.replace(known, seen=seen, before=(tool, time_us))
        return state, _steps((tool, time_us), last, observation, cause)

    def due(self, state: Session) -> int | None:
        """Return when the session is forgotten."""
        return state.time_us + SESSION_US

    def elapse(self, _key: str, state: Session, now_us: int) -> tuple[Session | None, Sequence[Derived]]:
        """Forget a session that has been silent."""
        return (None if state.time_us + SESSION_US <= now_us else state), ()

    def drop(self, _key: str, _state: Session, _now_us: int) -> tuple[None, Sequence[Derived]]:
        """Forget the session."""
        return None, ()


def _steps(
    first: tuple[str, int], then: tuple[str, int], observation: SessionObservation, cause: Cause
) -> Sequence[Derived]:
    """Return the step from one use to another, unless it took long or is the same tool again."""
    gap_us = then[1] - first[1]
    if first[0] == then[0] or gap_us > SOON_US:
        return ()
    # Steps of many sessions meet under one key in any order, so that positions would tell nothing there.
    found = SuccessorObservation(cause_id=observation.cause_id, origin=None, next_tool=then[0], gap_ms=gap_us / 1000)
    return [observed(f"next|{first[0]}", found, cause)]


class SequenceDetector(NamedTuple):
    """Counts the successors of one tool per key."""

    environment: str
    threshold: float

    def step(
        self, tool: str, known: Successors | None, observation: SuccessorObservation, cause: Cause
    ) -> tuple[Successors, Sequence[Derived]]:
        """Count a step; publish when the number of steps to that tool has doubled and it is the usual one."""
        state = known or Successors(Seen(), 0, {})
        name = observation.next_tool
        before = state.tools.get(name) or Successor(0, 0, cause.time_us, ())
        gaps = (*before.gaps_ms, observation.gap_ms)[-GAPS:]
        after = Successor(before.count + 1, before.revision, before.first_us, gaps)
        total = state.total + 1
        sure = confidence(wilson_lower(after.count, total))
        derived: list[Derived] = []
        if is_milestone(after.count, FIRST_STEPS, FIRST_STEPS) and sure >= self.threshold:
            after = msgspec.structs.replace(after, revision=after.revision + 1)
            derived = [self._report(tool, name, after, total, sure, cause).discovered(cause)]
        others = [(other, count) for other, count in state.tools.items() if other != name]
        tools = dict([*others[1 - SUCCESSORS :], (name, after)])
        return Successors(state.seen.with_(observation, SOURCE_PARTITIONS, cause.time_us), total, tools), derived

    def due(self, _state: Successors) -> None:
        """Return None: time alone changes nothing."""

    def elapse(self, _subject: str, state: Successors, _now_us: int) -> tuple[Successors, Sequence[Derived]]:
        """Return the state as it is."""
        return state, ()

    def drop(self, _subject: str, state: Successors, _now_us: int) -> tuple[Successors | None, Sequence[Derived]]:
        """Return what remains of the successors that were published: the number of the last revision of each."""
        told = {name: Successor(0, one.revision, one.first_us, ()) for name, one in state.tools.items() if one.revision}
        return (Successors(state.seen.emptied(), 0, told) if told else None), ()

    def _report(self, tool: str, successor: str, steps: Successor, total: int, sure: float, cause: Cause) -> Report:
        series = f"next|{tool}"
        tools = names(tool, successor)
        evidence: dict[str, Any] = {
            "first_tool": tool,
            "next_tool": successor,
            "count": steps.count,
            "total": total,
            "probability": round(steps.count / total, 4),
            "median_gap_ms": median(steps.gaps_ms),
        }
        pattern = Pattern(
            uuid=ids.pattern(TOOL_SEQUENCE, self.environment, series, successor),
            pattern_type=TOOL_SEQUENCE,
            confidence_score=sure,
            discovered_us=steps.first_us,
            last_seen_us=max(steps.first_us, cause.time_us),
            revision=steps.revision,
            occurrences=steps.count,
            affected_tools=tools,
            affected_tools_total=len(tools),
            description=f"{successor} follows {tool} within a minute in {steps.count} of {total} cases",
            environment=self.environment,
            series=series,
            evidence=evidence,
        )
        return Report(
            pattern=pattern,
            method="successor_bound",
            sources=(HOOKS_TOOL_EXECUTION.name,),
            window_start_us=steps.first_us,
            window_end_us=pattern.last_seen_us,
            sample_size=total,
        )
