"""Which scope a route needs (conventions §9): a rule over its method and its path, as the router knows it."""

import re

from bridge_app.domain.credentials import INGEST

#: Open to all. The static parts of `/` and `/docs` are below `/static/`.
OPEN = frozenset({"/", "/health", "/ready", "/metrics", "/openapi.json", "/asyncapi.json", "/docs"})
OPEN_BELOW = "/static/"

EXPERIMENTS = "/api/v1/experiments"
STAMPING = "/api/v1/metadata-stamping"
_AREAS = {
    "hooks": "hooks",
    "subscriptions": "hooks",
    "intelligence": "intelligence",
    "registry": "registry",
    "proxy": "proxy",
    "cache": "proxy",
    "circuit-breaker": "proxy",
    "workflows": "workflows",
    "aggregations": "workflows",
    "stamp": "stamping",
    "batch": "stamping",
    "hash": "stamping",
    "validate": "stamping",
    "validate-protocol": "stamping",
    "namespace": "stamping",
    "ws": "experiments",
    "dlq": "dlq",
    "admin": "admin",
}
_READING = frozenset({"GET", "HEAD"})
_INGESTION = re.compile(
    rf"{EXPERIMENTS}/(?:[^/]+/(?:samples|otlp/v1/metrics|deployments/[^/]+/ack)|nodes/[^/]+/configs)"
)


def is_open(path: str) -> bool:
    """Tell whether a route is there for everybody."""
    return path in OPEN or path.startswith(OPEN_BELOW)


def is_experiments(path: str) -> bool:
    """Tell whether a route belongs to the experiments, which a JWT key alone closes."""
    return path == "/ws" or _below(EXPERIMENTS, path)


def required_scope(method: str, path: str) -> str:
    """Return the scope that a request needs; a route that no rule names is the administrator's."""
    if _INGESTION.fullmatch(path):
        return INGEST
    return f"{_area(path)}:{'read' if method in _READING else 'write'}"


def _area(path: str) -> str:
    if is_experiments(path):
        return "experiments"
    if _below(STAMPING, path):
        return "stamping"
    return _AREAS.get(path.split("/")[1], "admin")


def _below(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
