"""The detectors follow the parameters in force (configuration §1)."""

from collections.abc import Callable

from bridge_app.domain.configuration.live import LiveSettings
from bridge_app.domain.intelligence.live_detectors import LiveDetectors
from bridge_app.settings import Settings
from tests.unit.intelligence.pipeline import SECOND, START_US, lifecycle, through_kafka


def test_configuration_1_another_time_of_confirmation_counts_from_the_next_start_on(
    make_settings: Callable[..., Settings],
) -> None:
    live = LiveSettings(make_settings())
    detectors = LiveDetectors(live)
    before = detectors()
    assert due_after_start(detectors) == 8
    live.override({"hook_workers": 2})
    assert detectors() is before
    live.override({"startup_confirm_seconds": 2})
    assert due_after_start(detectors) == 2


def due_after_start(detectors: LiveDetectors) -> float | None:
    """Return after how many seconds a start of a service is confirmed."""
    [*_, observation] = [one for one in detectors().observe(lifecycle("started", "shop")) if one.key == "start|shop"]
    state, _ = detectors().step(observation.key, None, through_kafka(observation))
    assert state is not None
    due = detectors().due(state)
    return None if due is None else (due - START_US) / SECOND
