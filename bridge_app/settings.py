"""The settings class: every environment variable the bridge reads, read once (conventions §8)."""

import math
import os
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from bridge_app.errors import SettingsError

T = TypeVar("T")

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})\Z")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator can set. The defaults are those of the specification; units are in the names."""

    environment: str
    log_level: str
    log_format: str
    instance_id: str
    node_id: str
    web_host: str
    web_port: int
    allow_insecure_bind: bool
    advertised_url: str
    data_dir: Path
    http_max_body_bytes: int
    kafka_timeout_seconds: float
    kafka_bootstrap_servers: tuple[str, ...]
    kafka_consumer_group: str
    kafka_topic_prefix: str
    kafka_topic_partitions: int
    kafka_replication_factor: int
    kafka_max_retry_attempts: int
    kafka_retry_backoff_base: float
    kafka_enable_dlq: bool
    kafka_dlq_suffix: str
    kafka_dlq_max_share: float
    adapter_group_id: str
    adapter_batch_size: int
    adapter_linger_ms: int
    adapter_fetch_ahead: int
    adapter_extra_topics: tuple[str, ...]
    postgres_host: str
    postgres_port: int
    postgres_db: str
    postgres_user: str
    postgres_password: str
    postgres_pool_max: int
    postgres_statement_timeout_ms: int
    postgres_migrate_on_start: bool
    consul_enabled: bool
    consul_host: str
    consul_port: int
    consul_token: str
    cohort_window_seconds: int
    startup_confirm_seconds: int
    confidence_threshold: float

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read every variable.

        Raises:
            SettingsError: naming the variable, what it holds and what was expected.
        """
        read = _Reader(environ)
        host = read.text("BRIDGE_WEB_HOST", "127.0.0.1")
        port = read.integer("BRIDGE_WEB_PORT", 6066, 1, 65535)
        instance_id = read.name("BRIDGE_INSTANCE_ID", f"{socket.gethostname()}-{port}", 200)
        settings = cls(
            environment=read.name("ENVIRONMENT", "development", 100),
            log_level=read.choice("LOG_LEVEL", "INFO", _LEVELS, str.upper),
            log_format=read.choice("LOG_FORMAT", "auto", ("auto", "json", "text"), str.lower),
            instance_id=instance_id,
            node_id=read.name("BRIDGE_NODE_ID", f"omninode-bridge-{instance_id}", 255),
            web_host=host,
            web_port=port,
            allow_insecure_bind=read.flag("BRIDGE_ALLOW_INSECURE_BIND", False),
            advertised_url=read.url("BRIDGE_ADVERTISED_URL", f"http://{host}:{port}"),
            data_dir=Path(read.text("BRIDGE_DATA_DIR", "./data")),
            http_max_body_bytes=read.integer("HTTP_MAX_BODY_BYTES", 1048576, 1),
            kafka_timeout_seconds=read.number("KAFKA_TIMEOUT_SECONDS", 2.0, 0.001),
            kafka_bootstrap_servers=read.servers("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"),
            kafka_consumer_group=read.text("KAFKA_CONSUMER_GROUP", "omninode-bridge"),
            kafka_topic_prefix=read.topic_part("KAFKA_TOPIC_PREFIX", ""),
            kafka_topic_partitions=read.integer("KAFKA_TOPIC_PARTITIONS", 8, 1, 10000),
            kafka_replication_factor=read.integer("KAFKA_REPLICATION_FACTOR", 1, 1, 100),
            kafka_max_retry_attempts=read.integer("KAFKA_MAX_RETRY_ATTEMPTS", 3, 1),
            kafka_retry_backoff_base=read.number("KAFKA_RETRY_BACKOFF_BASE", 1.0, 0.001),
            kafka_enable_dlq=read.flag("KAFKA_ENABLE_DLQ", True),
            kafka_dlq_suffix=read.topic_part("KAFKA_DLQ_SUFFIX", ".dlq"),
            kafka_dlq_max_share=read.number("KAFKA_DLQ_MAX_SHARE", 0.5, 0.0, 1.0),
            adapter_group_id=read.text("ADAPTER_GROUP_ID", "database-adapter-effect-group"),
            adapter_batch_size=read.integer("ADAPTER_BATCH_SIZE", 1000, 1),
            adapter_linger_ms=read.integer("ADAPTER_LINGER_MS", 20, 0),
            adapter_fetch_ahead=read.integer("ADAPTER_FETCH_AHEAD", 5000, 1),
            adapter_extra_topics=read.topic_names("ADAPTER_EXTRA_TOPICS"),
            postgres_host=read.text("POSTGRES_HOST", "localhost"),
            postgres_port=read.integer("POSTGRES_PORT", 5432, 1, 65535),
            postgres_db=read.text("POSTGRES_DB", "omninode_bridge"),
            postgres_user=read.text("POSTGRES_USER", "postgres"),
            postgres_password=read.text("POSTGRES_PASSWORD", ""),
            postgres_pool_max=read.integer("POSTGRES_POOL_MAX", 10, 1, 1000),
            postgres_statement_timeout_ms=read.integer("POSTGRES_STATEMENT_TIMEOUT_MS", 30000, 1),
            postgres_migrate_on_start=read.flag("POSTGRES_MIGRATE_ON_START", True),
            consul_enabled=read.flag("CONSUL_ENABLED", True),
            consul_host=read.text("CONSUL_HOST", "localhost"),
            consul_port=read.integer("CONSUL_PORT", 8500, 1, 65535),
            consul_token=read.text("CONSUL_TOKEN", ""),
            cohort_window_seconds=read.integer("INTELLIGENCE_COHORT_WINDOW_SECONDS", 300, 1),
            startup_confirm_seconds=read.integer("INTELLIGENCE_STARTUP_CONFIRM_SECONDS", 8, 0),
            confidence_threshold=read.number("INTELLIGENCE_CONFIDENCE_THRESHOLD", 0.7, 0.0, 1.0),
        )
        settings._check_bind()
        return settings

    def _check_bind(self) -> None:
        if self.web_host not in ("127.0.0.1", "::1", "localhost") and not self.allow_insecure_bind:
            raise SettingsError(
                f"BRIDGE_WEB_HOST={self.web_host}: without authentication the worker listens on 127.0.0.1 only; "
                "set BRIDGE_ALLOW_INSECURE_BIND=true to accept the risk"
            )

    def topic(self, name: str) -> str:
        """Return the broker's name of a catalogue topic."""
        return f"{self.kafka_topic_prefix}{name}"

    @property
    def app_id(self) -> str:
        """Faust's app id: the consumer group, and the first part of every changelog's name."""
        return f"{self.kafka_topic_prefix}{self.kafka_consumer_group}"

    @property
    def adapter_group(self) -> str:
        """The consumer group of the database adapter."""
        return f"{self.kafka_topic_prefix}{self.adapter_group_id}"


class _Reader:
    """Typed look-ups in the environment; an empty variable counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def name(self, name: str, default: str, most: int) -> str:
        value = self.text(name, default)
        if len(value) > most or not value.isprintable():
            raise SettingsError(f"{name}={value!r}: expected at most {most} printable characters")
        return value

    def url(self, name: str, default: str) -> str:
        value = self.text(name, default).rstrip("/")
        if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
            raise SettingsError(f"{name}={value}: expected http://host:port or https://host")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name, str(default)).lower()
        if value not in _TRUE | _FALSE:
            raise SettingsError(f"{name}={value}: expected true or false")
        return value in _TRUE

    def choice(self, name: str, default: str, allowed: tuple[str, ...], fold: Callable[[str], str]) -> str:
        value = fold(self.text(name, default))
        if value not in allowed:
            raise SettingsError(f"{name}={value}: expected one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, default: int, least: int, most: int | None = None) -> int:
        return self._bounded(name, str(default), int, least, most, "a whole number")

    def number(self, name: str, default: float, least: float, most: float | None = None) -> float:
        return self._bounded(name, str(default), _finite, least, most, "a number")

    def _bounded(self, name: str, default: str, parse: Callable[[str], T], least: T, most: T | None, what: str) -> T:
        text = self.text(name, default)
        limits = f"{what} of at least {least}" + ("" if most is None else f" and at most {most}")
        try:
            value = parse(text.replace("_", "?"))  # Python reads 1_000, other programs do not
        except ValueError as error:
            raise SettingsError(f"{name}={text}: expected {limits}") from error
        if not least <= value or (most is not None and not value <= most):  # type: ignore[operator]
            raise SettingsError(f"{name}={text}: expected {limits}")
        return value

    def topic_part(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", value):
            raise SettingsError(f"{name}={value}: expected at most 100 letters, digits, '.', '_' or '-'")
        return value

    def topic_names(self, name: str) -> tuple[str, ...]:
        names = tuple(part.strip() for part in self.text(name, "").split(",") if part.strip())
        for topic in names:
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}|[A-Za-z0-9._-]{0,248}\*", topic):
                raise SettingsError(f"{name}={topic}: expected topic names separated by commas, `*` only at an end")
        return names

    def servers(self, name: str, default: str) -> tuple[str, ...]:
        text = self.text(name, default)
        servers = tuple(part.strip() for part in text.split(",") if part.strip())
        if "://" in text:
            raise SettingsError(f"{name}={text}: expected host:port, several separated by commas, without a scheme")
        for server in servers or ("",):
            match = _HOST_PORT.match(server)
            if match is None or not 1 <= int(match[2]) <= 65535:
                raise SettingsError(f"{name}={text}: expected host:port, several separated by commas")
        return servers


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
