"""What the domains can be told; their specifications say more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge_app.settings.texts import FLAG, NETWORKS, URL, choice, integer, number, text
from bridge_app.settings.variables import variable

MIB = 1024 * 1024
STRATEGIES = (
    "intelligent_adaptive",
    "performance_based",
    "load_balancing",
    "load_balanced",
    "round_robin",
    "geographic_proximity",
)


@dataclass(frozen=True, kw_only=True)
class Intelligence:
    """Intelligence."""

    confidence_threshold: float = variable(
        "INTELLIGENCE_CONFIDENCE_THRESHOLD", number(0.0, 1.0), 0.7, "least confidence of a published pattern"
    )
    cohort_window_seconds: float = variable(
        "INTELLIGENCE_COHORT_WINDOW_SECONDS", number(1), 300.0, "starts within it form a cohort"
    )
    startup_confirm_seconds: float = variable(
        "INTELLIGENCE_STARTUP_CONFIRM_SECONDS", number(0), 8.0, "a start counts as settled after it"
    )
    anomaly_cooldown_seconds: float = variable(
        "INTELLIGENCE_COOLDOWN_SECONDS", number(0, 3600), 60.0, "between two anomalies of one series"
    )
    intelligence_max_series: int = variable("INTELLIGENCE_MAX_SERIES", integer(1), 10000, "series kept per partition")
    intelligence_series_ttl_hours: float = variable(
        "INTELLIGENCE_SERIES_TTL_HOURS", number(0.01), 168.0, "a silent series is forgotten after it"
    )


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """Tool proxy."""

    proxy_failure_threshold: int = variable(
        "CIRCUIT_BREAKER_FAILURE_THRESHOLD", integer(1, 1000), 5, "failures in a row that open a target's breaker"
    )
    proxy_breaker_timeout_seconds: float = variable(
        "CIRCUIT_BREAKER_TIMEOUT", number(0.001, 3600), 30.0, "how long a target's breaker stays open"
    )
    proxy_timeout_seconds: float = variable("PROXY_TIMEOUT_SECONDS", number(0.05, 300), 30.0, "of a proxied call")
    proxy_max_attempts: int = variable("PROXY_MAX_ATTEMPTS", integer(1, 10), 3, "attempts of a proxied call")
    proxy_max_in_flight_per_instance: int = variable(
        "PROXY_MAX_IN_FLIGHT_PER_INSTANCE", integer(1), 100, "calls of one target at once"
    )
    proxy_routing_strategy: str = variable(
        "PROXY_ROUTING_STRATEGY", choice(*STRATEGIES), "intelligent_adaptive", "how a target is chosen"
    )
    bridge_region: str = variable("BRIDGE_REGION", text(), "", "region of this worker")
    bridge_zone: str = variable("BRIDGE_ZONE", text(), "", "zone of this worker")
    adaptive_caching_enabled: bool = variable("ADAPTIVE_CACHING_ENABLED", FLAG, True, "learn the cache's lifetimes")
    proxy_cache_ttl_seconds: float = variable(
        "PROXY_CACHE_TTL_SECONDS", number(1, 7200), 300.0, "lifetime of a key without history"
    )
    proxy_staleness_budget: float = variable(
        "PROXY_STALENESS_BUDGET", number(0.01, 0.9), 0.1, "share of answers that may be stale"
    )
    proxy_cache_memory_mb: int = variable("PROXY_CACHE_MEMORY_MB", integer(1), 512, "memory of the cache")
    proxy_stale_while_revalidate_seconds: float = variable(
        "PROXY_STALE_WHILE_REVALIDATE_SECONDS",
        number(0),
        30.0,
        "an expired answer is served so long while it is renewed",
    )
    proxy_stale_if_error_seconds: float = variable(
        "PROXY_STALE_IF_ERROR_SECONDS", number(0), 3600.0, "an expired answer is served so long while its target fails"
    )
    redis_host: str = variable("REDIS_HOST", text(), "", "accepted, ignored")
    redis_port: str = variable("REDIS_PORT", text(), "", "accepted, ignored")


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Registries of services and tools."""

    registry_health_check_interval_seconds: float = variable(
        "REGISTRY_HEALTH_CHECK_INTERVAL_SECONDS", number(0.1, 3600), 10.0, "between two probes of an instance"
    )
    registry_health_check_timeout_seconds: float = variable(
        "REGISTRY_HEALTH_CHECK_TIMEOUT_SECONDS", number(0.05, 300), 5.0, "of a probe"
    )
    registry_ttl_seconds: int = variable(
        "REGISTRY_TTL_SECONDS", integer(1, 86400), 60, "lease of an instance that names none"
    )
    registry_deregister_after_seconds: float = variable(
        "REGISTRY_DEREGISTER_AFTER_SECONDS", number(0.1, 86400), 60.0, "an unhealthy instance is removed after it"
    )
    registry_self_preservation: bool = variable(
        "REGISTRY_SELF_PRESERVATION", FLAG, True, "remove nobody when most seem to be gone at once"
    )
    registry_reconcile_interval_seconds: float = variable(
        "REGISTRY_RECONCILE_INTERVAL_SECONDS", number(0.1), 30.0, "between two comparisons of the stores"
    )
    registry_store_timeout_seconds: float = variable(
        "REGISTRY_STORE_TIMEOUT_SECONDS", number(0.01), 1.0, "of a write to Consul or Postgres"
    )
    registry_denied_cidrs: tuple[str, ...] | None = variable(
        "REGISTRY_DENIED_CIDRS",
        NETWORKS,
        None,
        "networks no instance may be in",
        shown_default="as in the registry's page",
    )
    registry_allow_loopback: str = variable(
        "REGISTRY_ALLOW_LOOPBACK", choice("auto", "true", "false"), "auto", "whether an instance may be on this machine"
    )


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Nodes that register themselves."""

    enable_introspection: bool = variable("ENABLE_INTROSPECTION", FLAG, True, "this worker registers as a node")
    enable_heartbeat: bool = variable("ENABLE_HEARTBEAT", FLAG, True, "this worker sends heartbeats")
    heartbeat_interval_seconds: float = variable("HEARTBEAT_INTERVAL_SECONDS", number(0.1), 30.0, "between heartbeats")
    node_ttl_seconds: float = variable("NODE_TTL_SECONDS", number(1), 86400.0, "a silent node is forgotten after it")
    network_id: str = variable("NETWORK_ID", text(255), "", "network of this node")
    deployment_id: str = variable("DEPLOYMENT_ID", text(255), "dev-001", "deployment of this node")
    epoch: int = variable("EPOCH", integer(0), 1, "epoch of this node")


@dataclass(frozen=True, kw_only=True)
class Workflows:
    """Workflows, reducer and their peers."""

    workflow_timeout_seconds: float = variable("WORKFLOW_TIMEOUT_SECONDS", number(0.1), 60.0, "of a workflow")
    workflow_max_content_bytes: int = variable("WORKFLOW_MAX_CONTENT_BYTES", integer(1), MIB // 2, "largest content")
    workflow_effect_concurrency: int = variable("WORKFLOW_EFFECT_CONCURRENCY", integer(1), 100, "steps run at once")
    workflow_result_minutes: float = variable("WORKFLOW_RESULT_MINUTES", number(0.01), 15.0, "results are kept so long")
    workflow_retention_hours: float = variable(
        "WORKFLOW_RETENTION_HOURS", number(0.01), 24.0, "states are kept so long"
    )
    aggregation_wait_seconds: float = variable("AGGREGATION_WAIT_SECONDS", number(0.01), 10.0, "longest wait of a POST")
    aggregation_window_ms: int = variable("AGGREGATION_WINDOW_MS", integer(1), 5000, "length of a window")
    aggregation_lateness_ms: int = variable("AGGREGATION_LATENESS_MS", integer(0), 1000, "how late an item may come")
    onextree_url: str = variable("ONEXTREE_URL", URL, "", "empty: the local one")
    onextree_timeout_seconds: float = variable("ONEXTREE_TIMEOUT_SECONDS", number(0.01), 30.0, "retries included")
    onextree_fallback: str = variable("ONEXTREE_FALLBACK", choice("none", "local"), "none", "when it fails")
    metadata_stamping_url: str = variable("METADATA_STAMPING_URL", URL, "", "empty: the local one")
    metadata_stamping_timeout_seconds: float = variable(
        "METADATA_STAMPING_TIMEOUT_SECONDS", number(0.01), 5.0, "retries included"
    )


@dataclass(frozen=True, kw_only=True)
class Stamping:
    """Stamping."""

    stamping_fallback: str = variable(
        "STAMPING_FALLBACK", choice("in_memory", "fail"), "in_memory", "when the stamping peer is away"
    )
    stamping_max_content_bytes: int = variable("STAMPING_MAX_CONTENT_BYTES", integer(1), 10 * MIB, "largest content")
    stamping_max_file_bytes: int = variable("STAMPING_MAX_FILE_BYTES", integer(1), 500 * MIB, "largest file")


def _simulator(found: Mapping[str, Any]) -> bool:
    return bool(found["environment"] != "production")


@dataclass(frozen=True, kw_only=True)
class Experiments:
    """Experiments."""

    experiment_min_dwell_seconds: float = variable(
        "EXPERIMENT_MIN_DWELL_SECONDS", number(0), 3.0, "least time in a state"
    )
    experiment_claim_window_seconds: float = variable(
        "EXPERIMENT_CLAIM_WINDOW_SECONDS", number(0), 2.0, "time for node agents to claim an experiment"
    )
    experiment_init_timeout_seconds: float = variable(
        "EXPERIMENT_INIT_TIMEOUT_SECONDS", number(0.1), 600.0, "longest initialisation"
    )
    experiment_analysis_timeout_seconds: float = variable(
        "EXPERIMENT_ANALYSIS_TIMEOUT_SECONDS", number(0.1), 1800.0, "longest analysis"
    )
    experiment_lateness_seconds: float = variable(
        "EXPERIMENT_LATENESS_SECONDS", number(0), 5.0, "how late a sample may come"
    )
    experiment_ack_timeout_seconds: float = variable(
        "EXPERIMENT_ACK_TIMEOUT_SECONDS", number(0.1), 60.0, "longest wait for a node's acknowledgement"
    )
    experiment_command_timeout_seconds: float = variable(
        "EXPERIMENT_COMMAND_TIMEOUT_SECONDS", number(0.01), 5.0, "longest wait of a command"
    )
    experiment_starts_per_tick: int = variable("EXPERIMENT_STARTS_PER_TICK", integer(1), 50, "starts per second")
    experiment_retention_seconds: float = variable(
        "EXPERIMENT_RETENTION_SECONDS", number(1), 604800.0, "ended experiments are kept so long"
    )
    experiment_max_active_per_tenant: int = variable(
        "EXPERIMENT_MAX_ACTIVE_PER_TENANT", integer(1), 20000, "experiments of one tenant"
    )
    experiment_simulator_auto: bool = variable(
        "EXPERIMENT_SIMULATOR_AUTO",
        FLAG,
        _simulator,
        "simulate load where no node agent claims",
        shown_default="`true`; in `ENVIRONMENT=production` `false`",
    )
    experiment_simulator_auto_points_per_second: float = variable(
        "EXPERIMENT_SIMULATOR_AUTO_POINTS_PER_SECOND", number(0), 2000.0, "of a simulation that started by itself"
    )
    experiment_simulator_points_per_second: float = variable(
        "EXPERIMENT_SIMULATOR_POINTS_PER_SECOND", number(0), 50000.0, "of a simulation that was asked for"
    )
    experiment_price_per_million_points: float = variable(
        "EXPERIMENT_PRICE_PER_MILLION_POINTS", number(0), 0.15, "price of a million points"
    )
    experiment_price_overhead: float = variable("EXPERIMENT_PRICE_OVERHEAD", number(0), 1.2, "factor on the price")
