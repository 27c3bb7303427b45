"""`service_communication`: which service calls which, how often and how well (intelligence §4.3)."""

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

import msgspec

from bridge_app import ids
from bridge_app.domain.intelligence.measures import nearest_rank, succession
from bridge_app.domain.intelligence.reports import Report
from bridge_app.domain.intelligence.seen import Seen
from bridge_app.domain.intelligence.series import names
from bridge_app.events.envelope import Cause, Derived
from bridge_app.events.intelligence import SERVICE_COMMUNICATION, LinkObservation, Pattern, Recommendation
from bridge_app.topics import HOOKS_TOOL_EXECUTION, PROXY_REQUESTS

TIMES = 100
TOOLS = 20
SOURCE_PARTITIONS = 16
#: What tells of calls.
SOURCES = (HOOKS_TOOL_EXECUTION.name, PROXY_REQUESTS.name)
#: Calls after which the link is a pattern; then at 10, 20, 40 …
FIRST_CALLS = 5
THEN_FROM = 10
#: More calls do not make it surer.
COUNTED_CALLS = 100


class Link(msgspec.Struct, array_like=True, tag="link", frozen=True):
    """The state of `link|<from>|<to>`: the last 100 times in milliseconds and the last 20 tools, oldest first."""

    source: str
    target: str
    seen: Seen
    first_us: int
    last_us: int
    revision: int = 0
    calls: int = 0
    failures: int = 0
    times: tuple[float, ...] = ()
    tools: tuple[str, ...] = ()


class LinkDetector(NamedTuple):
    """Follows the calls of one pair of services per key."""

    environment: str
    threshold: float

    def step(
        self, _key: str, known: Link | None, observation: LinkObservation, cause: Cause
    ) -> tuple[Link, Sequence[Derived]]:
        """Count a call; publish when the number of calls has doubled."""
        state = known or Link(observation.source, observation.target, Seen(), cause.time_us, cause.time_us)
        time_ms = observation.time_ms
        tools = (*(tool for tool in state.tools if tool != observation.tool), observation.tool)
        state = msgspec.structs.replace(
            state,
            seen=state.seen.with_(observation, SOURCE_PARTITIONS, cause.time_us),
            last_us=max(state.last_us, cause.time_us),
            calls=state.calls + 1,
            failures=state.failures + observation.failed,
            times=state.times if time_ms is None else (*state.times, time_ms)[-TIMES:],
            tools=tools[-TOOLS:],
        )
        confidence = succession(min(state.calls, COUNTED_CALLS), min(state.calls, COUNTED_CALLS))
        if not is_milestone(state.calls, FIRST_CALLS, THEN_FROM) or confidence < self.threshold:
            return state, ()
        state = msgspec.structs.replace(state, revision=state.revision + 1)
        return state, [_report(self.environment, state, confidence).discovered(cause)]

    def due(self, _state: Link) -> None:
        """Return None: time alone changes nothing."""

    def elapse(self, _subject: str, state: Link, _now_us: int) -> tuple[Link, Sequence[Derived]]:
        """Return the state as it is."""
        return state, ()

    def drop(self, _subject: str, state: Link, _now_us: int) -> tuple[Link | None, Sequence[Derived]]:
        """Return what remains when it was published: the number of its last revision."""
        remains = Link(state.source, state.target, state.seen.emptied(), state.first_us, state.last_us, state.revision)
        return (remains if state.revision else None), ()


def is_milestone(count: int, first: int, then: int) -> bool:
    """Whether a count is `first`, or `then` doubled any number of times."""
    if count == first:
        return True
    doubled, rest = divmod(count, then)
    return rest == 0 and doubled > 0 and doubled & (doubled - 1) == 0


def _report(environment: str, state: Link, confidence: float) -> Report:
    series = f"link|{state.source}|{state.target}"
    services = names(state.source, state.target)
    return Report(
        pattern=Pattern(
            uuid=ids.pattern(SERVICE_COMMUNICATION, environment, series),
            pattern_type=SERVICE_COMMUNICATION,
            confidence_score=confidence,
            discovered_us=state.first_us,
            last_seen_us=state.last_us,
            revision=state.revision,
            occurrences=state.calls,
            affected_services=services,
            affected_services_total=len(services),
            affected_tools=names(*state.tools),
            affected_tools_total=len(state.tools),
            description=f"{state.source} called {state.target} {state.calls} times, {state.failures} of them failed",
            recommendations=_recommendations(state),
            environment=environment,
            series=series,
            evidence=_evidence(state),
        ),
        method="link_count",
        sources=tuple(name for name in SOURCES if state.seen.came_from(name)),
        window_start_us=state.first_us,
        window_end_us=state.last_us,
        sample_size=state.calls,
    )


def _evidence(state: Link) -> dict[str, Any]:
    return {
        "source_service": state.source,
        "target_service": state.target,
        "calls": state.calls,
        "failures": state.failures,
        "p50_ms": median(state.times) if state.times else None,
        "p95_ms": nearest_rank(state.times, 95) if state.times else None,
        "tools": sorted(state.tools),
    }


def _recommendations(state: Link) -> tuple[Recommendation, ...]:
    if not state.failures:
        return ()
    text = f"Look at the calls from {state.source} to {state.target}: {state.failures} of {state.calls} failed"
    return (Recommendation("investigate_failures", text, "medium"),)
