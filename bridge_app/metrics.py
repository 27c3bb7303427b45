"""The one catalogue of metrics (conventions §7): name, kind, labels and meaning of each, and the values of one worker.

A metric is an attribute, so that an unknown name fails type checking:

    metrics.hooks_processed.labels("service_started", "published").inc()

Labels have bounded sets of values: never ids, never what a caller wrote. Durations are in seconds, sizes in bytes or as
the help says. `topic` is the catalogue name, without the deployment's prefix.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, overload

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

M = TypeVar("M", Counter, Gauge, Histogram)

#: Upper bounds in seconds: from a RocksDB read to the longest wait of a request.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: Upper bounds for what takes longer: recovering state, catching up.
LONG_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
#: Upper bounds for records in a batch.
RECORDS = (1, 10, 50, 100, 250, 500, 1000, 2000, 5000)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each counter, which nobody reads


class Description(NamedTuple):
    """What a metric is called and means; `kind` is `counter`, `gauge` or `histogram`."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


class _Declared(Generic[M]):
    """One line of the catalogue; of a `Metrics` it is the metric itself."""

    def __init__(self, kind: type[M], name: str, help: str, labels: Sequence[str], **options: Any) -> None:
        self.description = Description(name, kind.__name__.lower(), tuple(labels), help)
        self._kind: Any = kind
        self._options = options

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute

    @overload
    def __get__(self, metrics: None, owner: type) -> "_Declared[M]": ...

    @overload
    def __get__(self, metrics: "Metrics", owner: type) -> M: ...

    def __get__(self, metrics: "Metrics | None", owner: type) -> "_Declared[M] | M":
        return self  # an instance holds its metrics in attributes of its own, which come first

    def make(self, registry: CollectorRegistry) -> M:
        """Return the metric, without any value yet."""
        name, _kind, labels, help = self.description
        made: M = self._kind(name, help, labels, registry=registry, **self._options)
        return made


def _counter(name: str, help: str, *labels: str) -> _Declared[Counter]:
    return _Declared(Counter, name, help, labels)


def _gauge(name: str, help: str, *labels: str) -> _Declared[Gauge]:
    return _Declared(Gauge, name, help, labels)


def _histogram(name: str, help: str, *labels: str, buckets: Sequence[float] = SECONDS) -> _Declared[Histogram]:
    return _Declared(Histogram, name, help, labels, buckets=buckets)


class Metrics:
    """The metrics of one worker, in a registry of their own."""

    # -- HTTP
    hooks_processed = _counter(
        "hooks_processed_total",
        "Hook posts, those that repeat an idempotency key only once; status: published, buffered (outbox), "
        "invalid (the caller's to mend), rejected (503 and the like)",
        "hook_type",
        "status",
    )
    hooks_in_flight = _gauge(
        "bridge_hooks_in_flight", "Hook posts being published; more than `HOOK_WORKERS` × 100 wait for their turn"
    )
    http_requests = _counter(
        "bridge_http_requests_total",
        "Requests answered; route is the template, `unmatched` for unknown paths",
        "method",
        "route",
        "status_code",
    )
    http_duration = _histogram(
        "bridge_http_request_duration_seconds", "From the headers to the answer", "method", "route"
    )

    # -- Kafka
    published = _counter("bridge_event_published_total", "Events that Kafka acknowledged", "topic")
    publish_errors = _counter(
        "bridge_event_publish_errors_total", "Events that Kafka refused or did not acknowledge in time", "topic"
    )
    publish_duration = _histogram(
        "bridge_event_publish_duration_seconds", "From handing over to acknowledgement", "topic"
    )
    lag_records = _gauge(
        "bridge_consumer_lag_records",
        "From the offset committed at the broker to the end; group: agents, adapter",
        "group",
        "topic",
        "partition",
    )
    lag_seconds = _gauge(
        "bridge_consumer_lag_seconds",
        "How long ago the first uncommitted record was there, as far as this worker saw; group: agents, adapter",
        "group",
        "topic",
        "partition",
    )
    rebalances = _counter("bridge_rebalances_total", "Changes of the consumer groups that this worker took part in")
    recovery_duration = _histogram(
        "bridge_recovery_duration_seconds", "From the assignment until state is recovered", buckets=LONG_SECONDS
    )
    outbox_pending = _gauge("bridge_outbox_pending_events", "Events accepted while Kafka was away that wait for it")
    outbox_replayed = _counter("bridge_outbox_replayed_total", "Events of the outbox that Kafka has acknowledged since")

    # -- agents
    consumed = _counter("bridge_events_consumed_total", "Events applied", "agent")
    duplicates = _counter("bridge_events_duplicate_total", "Events skipped because they were applied before", "agent")
    batch_size = _histogram("bridge_agent_batch_size", "Records in one batch", "agent", buckets=RECORDS)
    batch_duration = _histogram(
        "bridge_agent_batch_duration_seconds", "From taking a batch until all of its effects are durable", "agent"
    )
    retries = _counter("bridge_agent_retries_total", "Sends and transactions that were tried again", "agent")
    dead_letters = _counter(
        "bridge_dead_letter_messages_total", "Records set aside on a `.dlq` topic; reason: the error type",
        "agent", "reason",
    )  # fmt: skip

    # -- circuit breakers
    breaker_state = _gauge("circuit_breaker_state", "0 open, 0.5 half-open, 1 closed", "name")
    breaker_transitions = _counter(
        "bridge_circuit_breaker_transitions_total", "Changes of a breaker's state", "name", "to_state"
    )

    # -- Postgres
    db_queries = _counter("bridge_db_query_total", "Statements; status: ok, error", "operation", "status")
    db_duration = _histogram("bridge_db_query_duration_seconds", "Duration of statements", "operation")
    rows = _counter("bridge_sink_rows_total", "Rows written", "table")
    event_to_row = _histogram(
        "bridge_event_to_row_seconds",
        "From the time of an event to the commit of its row, of the oldest in each transaction",
        "table",
        buckets=LONG_SECONDS,
    )
    adapter_bisections = _counter("bridge_adapter_bisections_total", "Batches split to find a row that is refused")
    adapter_topic_stopped = _gauge(
        "bridge_adapter_topic_stopped", "1 when the adapter reads a topic no further", "topic"
    )
    adapter_records_lost = _counter(
        "bridge_adapter_records_lost_total", "Records that retention deleted before the adapter had read them"
    )
    adapter_waiting = _gauge("bridge_adapter_waiting", "1 while the adapter waits for Postgres")

    # -- intelligence
    patterns = _counter("bridge_patterns_total", "Patterns discovered", "pattern_type")
    analysis_duration = _histogram(
        "bridge_analysis_duration_seconds",
        "Deciding, without any waiting: of a batch, and of one hook for `immediate`",
        "detector",
    )
    series = _gauge("bridge_series", "Series and scopes that this worker keeps state of (an estimate)")

    # -- the worker
    config_changes = _counter(
        "bridge_config_changes_total", "Values that Consul gave or took back; result: applied, rejected", "result"
    )
    event_loop_lag = _gauge(
        "bridge_event_loop_lag_seconds", "Longest time that the event loop was late in the last 15 s"
    )

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for declared in _catalogue():
            self.__dict__[declared.attribute] = declared.make(self.registry)


def _catalogue() -> Iterator[_Declared[Any]]:
    return (line for line in vars(Metrics).values() if isinstance(line, _Declared))


def descriptions() -> list[Description]:
    """Return every metric there is, in the order of the catalogue."""
    return [line.description for line in _catalogue()]
