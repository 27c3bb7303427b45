"""The worker itself, its web server, its outbox, and who gets in."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_app.settings.texts import FLAG, PATH, PORT, READABLE_FILE, URL, choice, integer, number, text
from bridge_app.settings.variables import variable

MIB = 1024 * 1024
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _instance(found: Mapping[str, Any]) -> str:
    return f"{socket.gethostname()}-{found['web_port']}"


def _node(found: Mapping[str, Any]) -> str:
    return f"omninode-bridge-{found['instance_id']}"


def _own_url(found: Mapping[str, Any]) -> str:
    return f"http://{found['web_host']}:{found['web_port']}"


@dataclass(frozen=True, kw_only=True)
class General:
    """The worker."""

    environment: str = variable("ENVIRONMENT", text(100), "development", "name of the deployment, in every event")
    log_level: str = variable("LOG_LEVEL", choice(*LEVELS, fold=str.upper), "INFO", "least level that is logged")
    log_format: str = variable(
        "LOG_FORMAT", choice("auto", "json", "text"), "auto", "`auto`: JSON unless stderr is a terminal"
    )
    web_host: str = variable("BRIDGE_WEB_HOST", text(), "127.0.0.1", "address to listen on")
    web_port: int = variable("BRIDGE_WEB_PORT", PORT, 6066, "port to listen on")
    allow_insecure_bind: bool = variable(
        "BRIDGE_ALLOW_INSECURE_BIND", FLAG, False, "listen elsewhere than on 127.0.0.1 without authentication"
    )
    instance_id: str = variable(
        "BRIDGE_INSTANCE_ID", text(200), _instance, "identity of the worker", shown_default="`<host>-<port>`"
    )
    node_id: str = variable(
        "BRIDGE_NODE_ID",
        text(255),
        _node,
        "identity of the worker as a node",
        shown_default="`omninode-bridge-<instance id>`",
    )
    advertised_url: str = variable(
        "BRIDGE_ADVERTISED_URL",
        URL,
        _own_url,
        "how others reach this worker: registration, forwarded reads",
        shown_default="`http://<web host>:<port>`",
    )
    data_dir: Path = variable("BRIDGE_DATA_DIR", PATH, Path("data"), "state and outbox; each worker needs its own")
    contracts_dir: Path = variable(
        "BRIDGE_CONTRACTS_DIR", PATH, Path("deploy/contracts"), "contracts of workflow nodes"
    )
    shutdown_grace_seconds: float = variable(
        "SHUTDOWN_GRACE_SECONDS", number(0.1), 30.0, "time to stop in order; afterwards exit 1 at once"
    )
    watchdog_stall_seconds: float = variable(
        "WATCHDOG_STALL_SECONDS",
        number(0.1),
        60.0,
        "a partition with lag and without commits for so long ends the worker",
    )


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """Authentication; off by default."""

    auth_enabled: bool = variable("AUTH_ENABLED", FLAG, False, "every route but the open ones needs a credential")
    api_keys_file: Path | None = variable(
        "BRIDGE_API_KEYS_FILE", READABLE_FILE, None, "JSON list of `{id, sha256, scopes[], tenant, expires_at}`"
    )
    jwt_secret: str = variable("JWT_SECRET", text(), "", "HS256 key of JSON Web Tokens", secret=True)
    jwt_public_key_file: Path | None = variable(
        "JWT_PUBLIC_KEY_FILE", READABLE_FILE, None, "PEM public key of JSON Web Tokens, instead of the secret"
    )
    jwt_issuer: str = variable("JWT_ISSUER", text(), "", "expected `iss`; empty: any")
    jwt_audience: str = variable("JWT_AUDIENCE", text(), "", "expected `aud`; empty: any")
    webhook_signatures: str = variable(
        "WEBHOOK_SIGNATURES", choice("off", "optional", "required"), "off", "Standard Webhooks signatures of hooks"
    )
    webhook_secrets_file: Path | None = variable(
        "WEBHOOK_SECRETS_FILE", READABLE_FILE, None, "JSON object: source → list of secrets"
    )
    webhook_tolerance_seconds: int = variable(
        "WEBHOOK_TOLERANCE_SECONDS", integer(1), 300, "how far a signature's time may be off"
    )


@dataclass(frozen=True, kw_only=True)
class Http:
    """HTTP: limits, idempotency, backpressure."""

    http_max_body_bytes: int = variable("HTTP_MAX_BODY_BYTES", integer(1), MIB, "largest body of a request")
    idempotency_ttl_hours: float = variable(
        "IDEMPOTENCY_TTL_HOURS", number(0.0001), 24.0, "how long an idempotency key is kept"
    )
    idempotency_max_keys: int = variable(
        "IDEMPOTENCY_MAX_KEYS", integer(1), 100_000, "idempotency keys kept per worker, oldest out first"
    )
    http_max_in_flight: int = variable(
        "HTTP_MAX_IN_FLIGHT", integer(1), 2000, "requests of all routes handled at once; more are answered 503"
    )
    rate_limit_per_minute: int = variable(
        "RATE_LIMIT_PER_MINUTE", integer(0, 1_000_000), 0, "requests per credential or address; 0: no limit"
    )
    hook_workers: int = variable(
        "HOOK_WORKERS", integer(1, 64), 4, "× 100: hook posts in flight; more wait 1 s, then 503"
    )


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """The durable outbox: accepted while Kafka is away."""

    outbox_max_events: int = variable("OUTBOX_MAX_EVENTS", integer(1), 1_000_000, "events that may wait")
    outbox_max_bytes: int = variable("OUTBOX_MAX_BYTES", integer(1), 1024 * MIB, "bytes that may wait")
    outbox_replay_rate: float = variable(
        "OUTBOX_REPLAY_RATE", number(0.0), 0.0, "events replayed per second; 0: no limit"
    )
