"""Publications of views are counted and timed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic

from bridge_app.metrics import Metrics


@contextmanager
def measured_publication(metrics: Metrics, topics: Iterable[str]) -> Iterator[None]:
    """Count an event of each topic as published, or as an error when the block raises; and time the published ones.

    A publication that its caller gave up counts as neither.
    """
    names = list(topics)
    started = monotonic()
    try:
        yield
    except Exception:  # raised again
        for topic in names:
            metrics.publish_errors.labels(topic).inc()
        raise
    for topic in names:
        metrics.published.labels(topic).inc()
        metrics.publish_duration.labels(topic).observe(monotonic() - started)
