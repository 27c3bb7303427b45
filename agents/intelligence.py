"""Intelligence: hooks and proxied calls become observations, observations become patterns."""

from collections.abc import Callable

from prometheus_client import Counter

from bridge_app import topics
from bridge_app.domain import Outcome
from bridge_app.domain.intelligence.detectors import Detectors, SeriesState
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import PATTERN_DISCOVERED
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.bounds import Bound
from bridge_app.runtime.state_table import StateTable
from bridge_app.runtime.step_agent import StepAgent, Timers
from bridge_app.runtime.ticks import Ticker, tick_us

SOURCES = (topics.HOOKS_SERVICE_LIFECYCLE, topics.HOOKS_TOOL_EXECUTION, topics.PROXY_REQUESTS)


def observe(app: BridgeApp, detectors: Callable[[], Detectors]) -> StepAgent[None, Event]:
    """Stage 1: without state, from the events to the series they concern."""

    def step(_key: str, _state: None, event: Event) -> Outcome[None]:
        return Outcome(None, detectors().observe(event))

    name = "intelligence_observe"
    return StepAgent(
        app,
        name=name,
        topics=[topic.name for topic in SOURCES],
        decode=decode,
        step=step,
        decided=app.metrics.analysis_duration.labels(name).observe,
    )


def detect(
    app: BridgeApp, detectors: Callable[[], Detectors], series: StateTable[SeriesState]
) -> StepAgent[SeriesState, Event]:
    """Stage 2: the detectors, one writer per series; ticks settle what waits for time to pass, and keep the limits.

    `detectors` returns those whose parameters are in force; it is asked for every observation.
    """
    topic = topics.INTELLIGENCE_OBSERVATIONS.name
    app.inner_services.append(Ticker(app, app.topic_name(topic), app.clock))
    app.metrics.series.set_function(series.estimated_keys)
    patterns = app.metrics.patterns

    def step(key: str, state: SeriesState | None, event: Event) -> Outcome[SeriesState]:
        return _count(detectors().step(key, state, event), patterns)

    def due(state: SeriesState) -> int | None:
        return detectors().due(state)

    def elapse(key: str, state: SeriesState, now_us: int) -> Outcome[SeriesState]:
        return _count(detectors().elapse(key, state, now_us), patterns)

    def drop(key: str, state: SeriesState, now_us: int) -> Outcome[SeriesState]:
        return _count(detectors().drop(key, state, now_us), patterns)

    limit = app.settings.intelligence_max_series
    bounds = (
        Bound(limit, detectors().series_updated_us, drop),
        Bound(limit, detectors().remains_updated_us, drop),
    )
    return StepAgent(
        app,
        name="intelligence",
        topics=[topic],
        decode=decode,
        step=step,
        table=series,
        timers=Timers(tick_us, due, elapse, bounds),
        adapter_reads=False,
        decided=app.metrics.analysis_duration.labels("intelligence").observe,
    )


def _count(outcome: Outcome[SeriesState], patterns: Counter) -> Outcome[SeriesState]:
    """Count the patterns that are new."""
    for derived in outcome.derived:
        info = derived.payload.get("pattern_info", {})
        if derived.event_type == PATTERN_DISCOVERED and info.get("revision") == 1:
            patterns.labels(info["pattern_type"]).inc()
    return outcome
