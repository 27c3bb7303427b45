"""Rebalances are counted, and recovery is timed."""

from collections.abc import Callable
from typing import Any

from faust.sensors.base import Sensor

from bridge_app.metrics import Metrics


class RebalanceSensor(Sensor):
    """Faust's own hooks for rebalances; those for events, of which there is one per batch, do nothing."""

    def __init__(self, metrics: Metrics, monotonic: Callable[[], float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._metrics = metrics
        self._monotonic = monotonic

    def on_rebalance_start(self, app: Any) -> dict[str, Any]:
        """Partitions are taken away or given."""
        self._metrics.rebalances.inc()
        return {}

    def on_rebalance_return(self, app: Any, state: dict[str, Any]) -> None:
        """The assignment is there, recovery begins."""
        state["assigned"] = self._monotonic()

    def on_rebalance_end(self, app: Any, state: dict[str, Any]) -> None:
        """State is recovered."""
        if "assigned" in state:
            self._metrics.recovery_duration.observe(self._monotonic() - state["assigned"])
