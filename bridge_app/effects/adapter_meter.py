"""What the database adapter tells the metrics: a few updates per batch and transaction, none per event."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from bridge_app.domain.database_adapter.fold import Rows
from bridge_app.domain.database_adapter.tally import Tally
from bridge_app.metrics import Metrics
from bridge_app.timestamps import to_datetime

AGENT = "database_adapter"


class MeteredTally(Tally):
    """A tally that counts in the metrics, too."""

    def __init__(self, metrics: Metrics, now_us: Callable[[], int]) -> None:
        super().__init__()
        self._metrics = metrics
        self._now_us = now_us
        self._consumed = metrics.consumed.labels(AGENT)
        self._duplicates = metrics.duplicates.labels(AGENT)
        self._batch_size = metrics.batch_size.labels(AGENT)
        self._batch_duration = metrics.batch_duration.labels(AGENT)
        self._retries = metrics.retries.labels(AGENT)

    def stored(self, events: int, inserted: Mapping[str, int], rows: Rows) -> None:
        super().stored(events, inserted, rows)
        new = inserted.get("event_logs", 0)
        self._consumed.inc(new)
        self._duplicates.inc(events - new)
        now = to_datetime(self._now_us())
        for table, count in inserted.items():
            self._metrics.rows.labels(table).inc(count)
        for table, oldest in _oldest(rows):
            self._metrics.event_to_row.labels(table).observe((now - oldest).total_seconds())

    def batch_done(self, size: int, seconds: float) -> None:
        super().batch_done(size, seconds)
        self._batch_size.observe(size)
        self._batch_duration.observe(seconds)

    def bisected(self, times: int) -> None:
        super().bisected(times)
        self._metrics.adapter_bisections.inc(times)

    def retried(self) -> None:
        super().retried()
        self._retries.inc()

    def dead_lettered(self, error_type: str) -> None:
        super().dead_lettered(error_type)
        self._metrics.dead_letters.labels(AGENT, error_type).inc()


def _oldest(rows: Rows) -> Iterator[tuple[str, datetime]]:
    """Yield the earliest event time of each table that has rows."""
    if rows.event_logs:
        yield "event_logs", min(row.timestamp for row in rows.event_logs)
    for table, found in rows.routed.items():
        yield table, min(row.time for row in found)
    if rows.dead_letters:
        yield "dead_letters", min(row.failed_at for row in rows.dead_letters)
