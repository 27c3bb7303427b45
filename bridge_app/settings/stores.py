"""Postgres and Consul."""

from dataclasses import dataclass

from bridge_app.settings.texts import FLAG, PORT, integer, number, text
from bridge_app.settings.variables import variable


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """PostgreSQL."""

    postgres_host: str = variable("POSTGRES_HOST", text(), "localhost", "where it is")
    postgres_port: int = variable("POSTGRES_PORT", PORT, 5432, "its port")
    postgres_db: str = variable("POSTGRES_DB", text(), "omninode_bridge", "the database")
    postgres_user: str = variable("POSTGRES_USER", text(), "postgres", "who logs in")
    postgres_password: str = variable("POSTGRES_PASSWORD", text(), "", "with which password", secret=True)
    postgres_pool_max: int = variable("POSTGRES_POOL_MAX", integer(1, 1000), 10, "connections for reads")
    postgres_statement_timeout_ms: int = variable(
        "POSTGRES_STATEMENT_TIMEOUT_MS", integer(1), 30000, "longest time of a statement"
    )
    postgres_migrate_on_start: bool = variable("POSTGRES_MIGRATE_ON_START", FLAG, True, "bring the schema up to date")
    event_log_retention_days: int = variable("EVENT_LOG_RETENTION_DAYS", integer(1), 30, "age of deleted events")
    intelligence_retention_days: int = variable(
        "INTELLIGENCE_RETENTION_DAYS", integer(1), 90, "age of deleted patterns"
    )


@dataclass(frozen=True, kw_only=True)
class Consul:
    """Consul."""

    consul_enabled: bool = variable("CONSUL_ENABLED", FLAG, True, "whether it is used at all")
    consul_host: str = variable("CONSUL_HOST", text(), "localhost", "where its agent is")
    consul_port: int = variable("CONSUL_PORT", PORT, 8500, "its HTTP port")
    consul_token: str = variable("CONSUL_TOKEN", text(), "", "ACL token", secret=True)
    consul_watch_wait_seconds: float = variable(
        "CONSUL_WATCH_WAIT_SECONDS", number(0.1, 600), 30.0, "longest blocking query of the configuration"
    )
