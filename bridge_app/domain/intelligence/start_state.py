"""The state of `start|<service>`: the last starts for comparison, and those that are not settled yet."""

from statistics import median

import msgspec

from bridge_app.domain.intelligence.figures import Figures
from bridge_app.domain.intelligence.measures import agrees, succession
from bridge_app.domain.intelligence.restart_watch import RestartWatch
from bridge_app.domain.intelligence.seen import Seen
from bridge_app.domain.intelligence.watch import Watch
from bridge_app.events.envelope import Cause
from bridge_app.events.intelligence import LifecycleObservation, Millis


class KeptStart(msgspec.Struct, array_like=True, frozen=True):
    """What is remembered of a start for comparison."""

    time_us: int
    startup_time_ms: Millis | None


class PendingStart(msgspec.Struct, array_like=True, frozen=True):
    """A start that is not settled yet, with all that its second event tells."""

    cause: Cause
    due_us: int
    instance_id: str
    version: str
    startup_time_ms: Millis | None
    startup_time_source: str | None
    steps: tuple[tuple[str, Millis, str | None], ...]
    slowest: tuple[str, Millis] | None
    failed_steps: tuple[str, ...]
    baseline_ms: float | None


class ServiceStarts(msgspec.Struct, array_like=True, tag="start", frozen=True):
    """The state of `start|<service>`: under 16 KiB."""

    seen: Seen
    first_us: int
    last_us: int
    revision: int
    count: int
    kept: tuple[KeptStart, ...]
    pending: tuple[PendingStart, ...]
    watch: Watch = Watch()
    restarts: RestartWatch = RestartWatch()
    figures: Figures = Figures()


def pending_start(
    observation: LifecycleObservation, cause: Cause, due_us: int, baseline_ms: float | None
) -> PendingStart:
    """Return the start of an observation, to be settled at `due_us`."""
    slowest = observation.slowest_step
    return PendingStart(
        cause=cause,
        due_us=due_us,
        instance_id=observation.instance_id,
        version=observation.version,
        startup_time_ms=observation.startup_time_ms,
        startup_time_source=observation.startup_time_source,
        steps=tuple((step.step, step.duration_ms, step.status) for step in observation.steps),
        slowest=(slowest.step, slowest.duration_ms) if slowest else None,
        failed_steps=observation.failed_steps,
        baseline_ms=baseline_ms,
    )


def median_ms(kept: tuple[KeptStart, ...]) -> float | None:
    """Return the median of the start times that are known, None when none is."""
    times = [start.startup_time_ms for start in kept if start.startup_time_ms is not None]
    return median(times) if times else None


def confidence(kept: tuple[KeptStart, ...]) -> float:
    """Return (a+1)/(n+2): a of the n starts are within ±50 % of their median or have no time."""
    middle = median_ms(kept)
    agreed = sum(
        start.startup_time_ms is None or middle is None or agrees(start.startup_time_ms, middle) for start in kept
    )
    return succession(agreed, len(kept))
