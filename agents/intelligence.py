"""Intelligence: hooks become observations, observations become patterns."""

from bridge_app import topics
from bridge_app.domain import Outcome
from bridge_app.domain.intelligence.detectors import Detectors, SeriesState
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Event
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.state_table import StateTable
from bridge_app.runtime.step_agent import StepAgent, Timers
from bridge_app.runtime.ticks import Ticker, tick_us

SOURCES = (topics.HOOKS_SERVICE_LIFECYCLE, topics.HOOKS_TOOL_EXECUTION)


def observe(app: BridgeApp, detectors: Detectors) -> StepAgent[None, Event]:
    """Stage 1: without state, from the hooks to the series they concern."""

    def step(_key: str, _state: None, event: Event) -> Outcome[None]:
        return Outcome(None, detectors.observe(event))

    return StepAgent(
        app,
        name="intelligence_observe",
        topics=[topics.HOOKS_SERVICE_LIFECYCLE.name, topics.HOOKS_TOOL_EXECUTION.name],
        decode=decode,
        step=step,
    )


def detect(app: BridgeApp, detectors: Detectors, series: StateTable[SeriesState]) -> StepAgent[SeriesState, Event]:
    """Stage 2: the detectors, one writer per series; ticks settle what waits for time to pass."""
    topic = topics.INTELLIGENCE_OBSERVATIONS.name
    app.inner_services.append(Ticker(app, app.topic_name(topic), app.clock))
    return StepAgent(
        app,
        name="intelligence",
        topics=[topic],
        decode=decode,
        step=detectors.step,
        table=series,
        timers=Timers(tick_us, detectors.due, detectors.elapse),
        adapter_reads=False,
    )
