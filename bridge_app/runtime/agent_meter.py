"""What a step agent tells the metrics: a handful of counter updates per step, none per event."""

from collections.abc import Iterable

from bridge_app.metrics import Metrics


class AgentMeter:
    """The metrics of one agent."""

    def __init__(self, metrics: Metrics, agent: str) -> None:
        self._agent = agent
        self._consumed = metrics.consumed.labels(agent)
        self._duplicates = metrics.duplicates.labels(agent)
        self._batch_size = metrics.batch_size.labels(agent)
        self._batch_duration = metrics.batch_duration.labels(agent)
        self._retries = metrics.retries.labels(agent)
        self._dead_letters = metrics.dead_letters

    def batch(self, records: int, seconds: float) -> None:
        """Count a batch whose effects are all durable."""
        self._batch_size.observe(records)
        self._batch_duration.observe(seconds)

    def events(self, applied: int, skipped: int) -> None:
        """Count events that took effect, and events that had taken effect before."""
        self._consumed.inc(applied)
        self._duplicates.inc(skipped)

    def retried(self) -> None:
        """Count a send or a transaction that is tried again."""
        self._retries.inc()

    def dead_lettered(self, reasons: Iterable[str]) -> None:
        """Count dead letters that were acknowledged, each by its error type."""
        for reason in reasons:
            self._dead_letters.labels(self._agent, reason).inc()
