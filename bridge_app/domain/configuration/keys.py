"""The settings that may change while the bridge runs (configuration §1).

A key overrides the variable of one field of the settings; its default and, unless said otherwise, what it may be are
those of the variable's declaration.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge_app.settings import Settings
from bridge_app.settings.texts import FLAG, Kind, choice, number
from bridge_app.settings.variables import variable_of

HOOKS, PROXY, REGISTRY = "hook-receiver", "tool-capture-proxy", "service-registry"
SERVICES: Final = (HOOKS, PROXY, REGISTRY)

_SWITCHES: Final = {"true": True, "false": False, "1": True, "0": False}


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCHES:
        raise ValueError(text)
    return _SWITCHES[text.lower()]


#: Narrower than what variables take.
SWITCH: Final = Kind("true, false, 1 or 0", _switch)


class Key(NamedTuple):
    """One key: its service and name in Consul, the field of the settings, what it may be, when a change has effect."""

    service: str
    name: str
    field: str
    variable: str
    kind: Kind
    effect: str

    @property
    def dotted(self) -> str:
        """The name over HTTP and in events."""
        return f"{self.service}.{self.name}"

    @property
    def path(self) -> str:
        """The path below that of the environment, and the key of its events."""
        return f"{self.service}/{self.name}"


def _key(service: str, name: str, field: str, effect: str, kind: Kind | None = None) -> Key:
    declared = variable_of(Settings, field)
    usual = SWITCH if declared.kind is FLAG else declared.kind
    return Key(service, name, field, declared.name, kind or usual, effect)


_LEVELS: Final = choice("DEBUG", "INFO", "WARNING", "ERROR", fold=str.upper)

KEYS: Final = (
    _key(HOOKS, "workers", "hook_workers", "limit of hook posts in flight (100 each), next hook"),
    _key(HOOKS, "log_level", "log_level", "at once", _LEVELS),
    _key(HOOKS, "rate_limit_per_minute", "rate_limit_per_minute", "buckets restart"),
    _key(HOOKS, "confidence_threshold", "confidence_threshold", "next observation", number(0.5, 0.99)),
    _key(HOOKS, "cohort_window", "cohort_window_seconds", "next start", number(10, 3600)),
    _key(HOOKS, "startup_confirm", "startup_confirm_seconds", "next start", number(1, 300)),
    _key(HOOKS, "anomaly_cooldown", "anomaly_cooldown_seconds", "next observation"),
    _key(HOOKS, "dlq_max_share", "kafka_dlq_max_share", "next dead letter", number(0.01, 1)),
    _key(PROXY, "cache_ttl", "proxy_cache_ttl_seconds", "TTL of keys without history, from the next store on"),
    _key(PROXY, "staleness_budget", "proxy_staleness_budget", "next store"),
    _key(PROXY, "adaptive_caching_enabled", "adaptive_caching_enabled", "false: no learning, fixed TTL"),
    _key(PROXY, "timeout_seconds", "proxy_timeout_seconds", "next call"),
    _key(PROXY, "max_attempts", "proxy_max_attempts", "next call"),
    _key(PROXY, "routing_strategy", "proxy_routing_strategy", "next call"),
    _key(PROXY, "circuit_breaker_failure_threshold", "proxy_failure_threshold", "next failure"),
    _key(
        PROXY,
        "circuit_breaker_timeout",
        "proxy_breaker_timeout_seconds",
        "breakers that open from now on",
        number(1, 3600),
    ),
    _key(
        REGISTRY,
        "health_check_interval",
        "registry_health_check_interval_seconds",
        "next probe of each instance",
        number(1, 3600),
    ),
    _key(REGISTRY, "ttl_seconds", "registry_ttl_seconds", "next registration without own TTL"),
    _key(
        REGISTRY, "deregister_after_seconds", "registry_deregister_after_seconds", "next sweep", number(1, 86400)
    ),
    _key(REGISTRY, "self_preservation", "registry_self_preservation", "next sweep"),
)  # fmt: skip

BY_DOTTED: Final[Mapping[str, Key]] = {key.dotted: key for key in KEYS}
BY_VARIABLE: Final[Mapping[str, Key]] = {key.variable: key for key in KEYS}
PATHS: Final = frozenset(key.path for key in KEYS)
