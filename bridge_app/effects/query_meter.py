"""Statements are counted and timed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bridge_app.metrics import Metrics


@contextmanager
def measured_query(metrics: Metrics, operation: str, monotonic: Callable[[], float]) -> Iterator[None]:
    """Count the block as one operation on Postgres: `ok`, or `error` when it raises anything; and time it."""
    started = monotonic()
    status = "error"
    try:
        yield
        status = "ok"
    finally:
        metrics.db_queries.labels(operation, status).inc()
        metrics.db_duration.labels(operation).observe(monotonic() - started)
