"""Kafka, and the database adapter that reads it."""

from dataclasses import dataclass
from pathlib import Path

from bridge_app.settings.texts import (
    FLAG,
    READABLE_FILE,
    SERVERS,
    TOPIC_NAMES,
    TOPIC_PART,
    choice,
    integer,
    number,
    text,
)
from bridge_app.settings.variables import variable


@dataclass(frozen=True, kw_only=True)
class Kafka:
    """Kafka."""

    kafka_bootstrap_servers: tuple[str, ...] = variable(
        "KAFKA_BOOTSTRAP_SERVERS",
        SERVERS,
        ("localhost:9092",),
        "brokers to start from",
        shown_default="`localhost:9092`",
    )
    kafka_consumer_group: str = variable(
        "KAFKA_CONSUMER_GROUP",
        TOPIC_PART,
        "omninode-bridge",
        "group of the agents; changelogs are named after it",
    )
    kafka_security_protocol: str = variable(
        "KAFKA_SECURITY_PROTOCOL",
        choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL", fold=str.upper),
        "PLAINTEXT",
        "how to talk to the brokers",
    )
    kafka_sasl_mechanism: str = variable(
        "KAFKA_SASL_MECHANISM",
        choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", fold=str.upper),
        "PLAIN",
        "how to log in",
    )
    kafka_sasl_username: str = variable("KAFKA_SASL_USERNAME", text(), "", "who logs in", secret=True)
    kafka_sasl_password: str = variable("KAFKA_SASL_PASSWORD", text(), "", "with which password", secret=True)
    kafka_ssl_cafile: Path | None = variable(
        "KAFKA_SSL_CAFILE", READABLE_FILE, None, "PEM file of the authority that signed the brokers' certificates"
    )
    kafka_timeout_seconds: float = variable(
        "KAFKA_TIMEOUT_SECONDS", number(0.001), 2.0, "how long a request waits for Kafka's acknowledgement"
    )
    kafka_topic_prefix: str = variable("KAFKA_TOPIC_PREFIX", TOPIC_PART, "", "before every topic, group and changelog")
    kafka_topic_partitions: int = variable(
        "KAFKA_TOPIC_PARTITIONS", integer(1, 10000), 8, "partitions of topics that the bridge creates"
    )
    kafka_replication_factor: int = variable(
        "KAFKA_REPLICATION_FACTOR", integer(1, 100), 1, "replicas of topics that the bridge creates"
    )
    kafka_introspection_topic: str = variable(
        "KAFKA_INTROSPECTION_TOPIC", TOPIC_PART, "", "instead of `node-introspection.v1`, without prefix"
    )
    kafka_heartbeat_topic: str = variable(
        "KAFKA_HEARTBEAT_TOPIC", TOPIC_PART, "", "instead of `node-heartbeat.v1`, without prefix"
    )
    kafka_registry_request_topic: str = variable(
        "KAFKA_REGISTRY_REQUEST_TOPIC", TOPIC_PART, "", "instead of `registry-request-introspection.v1`, without prefix"
    )
    kafka_max_retry_attempts: int = variable(
        "KAFKA_MAX_RETRY_ATTEMPTS", integer(1), 3, "tries of a row that fails for an unknown reason"
    )
    kafka_retry_backoff_base: float = variable(
        "KAFKA_RETRY_BACKOFF_BASE", number(0.001), 1.0, "seconds before the second try, doubled up to 30"
    )
    kafka_enable_dlq: bool = variable(
        "KAFKA_ENABLE_DLQ", FLAG, True, "dead-letter bad records; if false the first one stops its topic"
    )
    kafka_dlq_suffix: str = variable("KAFKA_DLQ_SUFFIX", TOPIC_PART, ".dlq", "after the name of a topic")
    kafka_dlq_max_share: float = variable(
        "KAFKA_DLQ_MAX_SHARE", number(0.0, 1.0), 0.5, "share of dead letters in the last 100 that stops a topic"
    )


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """The database adapter."""

    adapter_group_id: str = variable("ADAPTER_GROUP_ID", text(), "database-adapter-effect-group", "its group")
    adapter_batch_size: int = variable("ADAPTER_BATCH_SIZE", integer(1), 1000, "records per transaction")
    adapter_linger_ms: int = variable("ADAPTER_LINGER_MS", integer(0), 20, "longest wait for a batch to fill")
    adapter_fetch_ahead: int = variable("ADAPTER_FETCH_AHEAD", integer(1), 5000, "records held in memory")
    adapter_extra_topics: tuple[str, ...] = variable(
        "ADAPTER_EXTRA_TOPICS",
        TOPIC_NAMES,
        (),
        "further topics to store, without prefix; `test.*` for all that start so",
    )
