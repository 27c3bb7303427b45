"""The detectors with the parameters that are in force (configuration §1)."""

from bridge_app.domain.configuration.live import LiveSettings
from bridge_app.domain.intelligence.detectors import DetectorConfig, Detectors
from bridge_app.settings import Settings


class LiveDetectors:
    """Calling it returns the detectors; they are others after a change of their parameters."""

    def __init__(self, live: LiveSettings) -> None:
        self._config = _config(live.now)
        self._detectors = Detectors(self._config)
        live.on_change(self._follow)

    def __call__(self) -> Detectors:
        return self._detectors

    def _follow(self, settings: Settings) -> None:
        config = _config(settings)
        if config != self._config:
            self._config, self._detectors = config, Detectors(config)


def _config(settings: Settings) -> DetectorConfig:
    return DetectorConfig(
        environment=settings.environment,
        cohort_window_seconds=settings.cohort_window_seconds,
        confirm_seconds=settings.startup_confirm_seconds,
        confidence_threshold=settings.confidence_threshold,
        cooldown_seconds=settings.anomaly_cooldown_seconds,
        series_ttl_hours=settings.intelligence_series_ttl_hours,
        retention_days=settings.intelligence_retention_days,
    )
