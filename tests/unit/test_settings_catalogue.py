"""Every setting of the specification: its name, its default, its refusal, and its line in the documentation."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge_app.errors import SettingsError
from bridge_app.settings import Settings, Variable, catalogue
from bridge_app.settings.page import page

#: Conventions §8 and resilience §1, one variable with its default a line; none where it is empty.
SPECIFIED = """
ENVIRONMENT development
LOG_LEVEL INFO
LOG_FORMAT auto
BRIDGE_INSTANCE_ID {host}-6066
BRIDGE_NODE_ID omninode-bridge-{host}-6066
BRIDGE_WEB_HOST 127.0.0.1
BRIDGE_WEB_PORT 6066
BRIDGE_ALLOW_INSECURE_BIND false
BRIDGE_ADVERTISED_URL http://127.0.0.1:6066
BRIDGE_DATA_DIR ./data
BRIDGE_CONTRACTS_DIR deploy/contracts
HTTP_MAX_BODY_BYTES 1048576
IDEMPOTENCY_TTL_HOURS 24
IDEMPOTENCY_MAX_KEYS 100000
KAFKA_TIMEOUT_SECONDS 2
HTTP_MAX_IN_FLIGHT 2000
RATE_LIMIT_PER_MINUTE 0
HOOK_WORKERS 4
OUTBOX_MAX_EVENTS 1000000
OUTBOX_MAX_BYTES 1073741824
OUTBOX_REPLAY_RATE 0
SHUTDOWN_GRACE_SECONDS 30
WATCHDOG_STALL_SECONDS 60
KAFKA_BOOTSTRAP_SERVERS localhost:9092
KAFKA_CONSUMER_GROUP omninode-bridge
KAFKA_SECURITY_PROTOCOL PLAINTEXT
KAFKA_SASL_MECHANISM PLAIN
KAFKA_SASL_USERNAME
KAFKA_SASL_PASSWORD
KAFKA_SSL_CAFILE
KAFKA_TOPIC_PREFIX
KAFKA_TOPIC_PARTITIONS 8
KAFKA_REPLICATION_FACTOR 1
KAFKA_INTROSPECTION_TOPIC
KAFKA_HEARTBEAT_TOPIC
KAFKA_REGISTRY_REQUEST_TOPIC
KAFKA_MAX_RETRY_ATTEMPTS 3
KAFKA_RETRY_BACKOFF_BASE 1.0
KAFKA_ENABLE_DLQ true
KAFKA_DLQ_SUFFIX .dlq
KAFKA_DLQ_MAX_SHARE 0.5
ADAPTER_GROUP_ID database-adapter-effect-group
ADAPTER_EXTRA_TOPICS
ADAPTER_BATCH_SIZE 1000
ADAPTER_LINGER_MS 20
ADAPTER_FETCH_AHEAD 5000
POSTGRES_HOST localhost
POSTGRES_PORT 5432
POSTGRES_DB omninode_bridge
POSTGRES_USER postgres
POSTGRES_PASSWORD
POSTGRES_POOL_MAX 10
POSTGRES_STATEMENT_TIMEOUT_MS 30000
POSTGRES_MIGRATE_ON_START true
EVENT_LOG_RETENTION_DAYS 30
INTELLIGENCE_RETENTION_DAYS 90
CONSUL_ENABLED true
CONSUL_HOST localhost
CONSUL_PORT 8500
CONSUL_TOKEN
CONSUL_WATCH_WAIT_SECONDS 30
REDIS_HOST
REDIS_PORT
CIRCUIT_BREAKER_FAILURE_THRESHOLD 5
CIRCUIT_BREAKER_TIMEOUT 30
PROXY_TIMEOUT_SECONDS 30
PROXY_MAX_ATTEMPTS 3
PROXY_MAX_IN_FLIGHT_PER_INSTANCE 100
PROXY_ROUTING_STRATEGY intelligent_adaptive
BRIDGE_REGION
BRIDGE_ZONE
ADAPTIVE_CACHING_ENABLED true
PROXY_CACHE_TTL_SECONDS 300
PROXY_STALENESS_BUDGET 0.1
PROXY_CACHE_MEMORY_MB 512
PROXY_STALE_WHILE_REVALIDATE_SECONDS 30
PROXY_STALE_IF_ERROR_SECONDS 3600
REGISTRY_HEALTH_CHECK_INTERVAL_SECONDS 10
REGISTRY_HEALTH_CHECK_TIMEOUT_SECONDS 5
REGISTRY_TTL_SECONDS 60
REGISTRY_DEREGISTER_AFTER_SECONDS 60
REGISTRY_SELF_PRESERVATION true
REGISTRY_RECONCILE_INTERVAL_SECONDS 30
REGISTRY_STORE_TIMEOUT_SECONDS 1.0
REGISTRY_DENIED_CIDRS
REGISTRY_ALLOW_LOOPBACK auto
ENABLE_INTROSPECTION true
ENABLE_HEARTBEAT true
HEARTBEAT_INTERVAL_SECONDS 30
NODE_TTL_SECONDS 86400
NETWORK_ID
DEPLOYMENT_ID dev-001
EPOCH 1
WORKFLOW_TIMEOUT_SECONDS 60
WORKFLOW_MAX_CONTENT_BYTES 524288
WORKFLOW_EFFECT_CONCURRENCY 100
WORKFLOW_RESULT_MINUTES 15
WORKFLOW_RETENTION_HOURS 24
AGGREGATION_WAIT_SECONDS 10
AGGREGATION_WINDOW_MS 5000
AGGREGATION_LATENESS_MS 1000
ONEXTREE_URL
ONEXTREE_TIMEOUT_SECONDS 30
ONEXTREE_FALLBACK none
METADATA_STAMPING_URL
METADATA_STAMPING_TIMEOUT_SECONDS 5
STAMPING_FALLBACK in_memory
STAMPING_MAX_CONTENT_BYTES 10485760
STAMPING_MAX_FILE_BYTES 524288000
INTELLIGENCE_CONFIDENCE_THRESHOLD 0.7
INTELLIGENCE_COHORT_WINDOW_SECONDS 300
INTELLIGENCE_MAX_SERIES 10000
INTELLIGENCE_STARTUP_CONFIRM_SECONDS 8
INTELLIGENCE_COOLDOWN_SECONDS 60
INTELLIGENCE_SERIES_TTL_HOURS 168
EXPERIMENT_MIN_DWELL_SECONDS 3
EXPERIMENT_CLAIM_WINDOW_SECONDS 2
EXPERIMENT_INIT_TIMEOUT_SECONDS 600
EXPERIMENT_ANALYSIS_TIMEOUT_SECONDS 1800
EXPERIMENT_LATENESS_SECONDS 5
EXPERIMENT_ACK_TIMEOUT_SECONDS 60
EXPERIMENT_COMMAND_TIMEOUT_SECONDS 5
EXPERIMENT_STARTS_PER_TICK 50
EXPERIMENT_RETENTION_SECONDS 604800
EXPERIMENT_MAX_ACTIVE_PER_TENANT 20000
EXPERIMENT_SIMULATOR_AUTO true
EXPERIMENT_SIMULATOR_AUTO_POINTS_PER_SECOND 2000
EXPERIMENT_SIMULATOR_POINTS_PER_SECOND 50000
EXPERIMENT_PRICE_PER_MILLION_POINTS 0.15
EXPERIMENT_PRICE_OVERHEAD 1.2
AUTH_ENABLED false
BRIDGE_API_KEYS_FILE
JWT_SECRET
JWT_PUBLIC_KEY_FILE
JWT_ISSUER
JWT_AUDIENCE
WEBHOOK_SIGNATURES off
WEBHOOK_SECRETS_FILE
WEBHOOK_TOLERANCE_SECONDS 300
BREAKER_KAFKA_FAILURE_THRESHOLD 5
BREAKER_KAFKA_COOLDOWN_SECONDS 30
BREAKER_KAFKA_PROBES 3
BREAKER_KAFKA_CLOSE_AFTER 3
BREAKER_POSTGRES_FAILURE_THRESHOLD 5
BREAKER_POSTGRES_COOLDOWN_SECONDS 30
BREAKER_POSTGRES_PROBES 3
BREAKER_POSTGRES_CLOSE_AFTER 3
BREAKER_CONSUL_FAILURE_THRESHOLD 5
BREAKER_CONSUL_COOLDOWN_SECONDS 30
BREAKER_CONSUL_PROBES 3
BREAKER_CONSUL_CLOSE_AFTER 3
BREAKER_ONEXTREE_FAILURE_THRESHOLD 5
BREAKER_ONEXTREE_COOLDOWN_SECONDS 60
BREAKER_ONEXTREE_PROBES 3
BREAKER_ONEXTREE_CLOSE_AFTER 2
BREAKER_STAMPING_FAILURE_THRESHOLD 5
BREAKER_STAMPING_COOLDOWN_SECONDS 60
BREAKER_STAMPING_PROBES 3
BREAKER_STAMPING_CLOSE_AFTER 2
"""
DEFAULTS = dict(line.partition(" ")[::2] for line in SPECIFIED.format(host=socket.gethostname()).split("\n") if line)
VARIABLES = {variable.name: variable for _, variables in catalogue() for variable in variables}
SECRETS = sorted(name for name, variable in VARIABLES.items() if variable.secret)
NUMBERS = sorted(name for name, variable in VARIABLES.items() if "number" in variable.kind.expected)
#: No variable takes it: it is no number, no word of any choice, no address, no file, and has a control character.
BAD = "hunter2 \a,"
COMMITTED = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The values of an empty environment by field, which some defaults are made of."""
    settings = Settings.from_environ({})
    return {name: getattr(settings, name) for name in Settings.__dataclass_fields__}


def test_conventions_8_every_variable_of_the_specification_is_there_and_no_other() -> None:
    assert set(VARIABLES) == set(DEFAULTS)


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_conventions_8_a_variable_has_its_specified_default(name: str, found: dict[str, Any]) -> None:
    variable, expected = VARIABLES[name], DEFAULTS[name]
    default = variable.read({}, found)
    assert default == (variable.kind.read(expected) if expected else type(default)() if default is not None else None)


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_conventions_17_a_bad_value_of_any_variable_is_refused_with_its_name(
    make_settings: Callable[..., Settings], name: str
) -> None:
    message = refusal(make_settings, name, BAD)
    assert VARIABLES[name].kind.expected in message
    assert ("hunter2" in message) == (not VARIABLES[name].secret)


@pytest.mark.parametrize("value", ["nan", "1e999", "-1e9", "1_000", "0x10", "1 000", "1,5"])
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_within_bounds_is_refused(
    make_settings: Callable[..., Settings], name: str, value: str
) -> None:
    refusal(make_settings, name, value)


def refusal(make_settings: Callable[..., Settings], name: str, value: str) -> str:
    """Return the one line that refuses a value."""
    with pytest.raises(SettingsError, match=f"^{name}=") as refused:
        make_settings(**{name: value})
    assert refused.value.exit_code == 2
    assert str(refused.value).isprintable()
    return str(refused.value)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_in_no_text_made_of_the_settings(make_settings: Callable[..., Settings], name: str) -> None:
    settings = make_settings(**{name: "hunter2"})
    assert "hunter2" in {
        getattr(settings, field) for field in Settings.__dataclass_fields__ if _is_text(settings, field)
    }
    assert "hunter2" not in f"{settings}{settings!r}"


def _is_text(settings: Settings, field: str) -> bool:
    return isinstance(getattr(settings, field), str)


def test_secrets_are_what_one_would_call_so() -> None:
    assert {name for name in VARIABLES if name.endswith(("SECRET", "PASSWORD", "TOKEN"))} <= set(SECRETS)


def test_the_committed_page_is_what_the_declarations_say() -> None:
    assert COMMITTED.read_text() == page(), "run `make docs`"


def test_the_page_has_a_line_for_every_variable() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(VARIABLES)
    assert all(_cells(row) == 4 for row in rows)


def _cells(row: str) -> int:
    return row.replace("\\|", "").count("|") - 1


def test_a_default_that_is_computed_is_shown_in_words() -> None:
    computed: list[Variable] = [variable for variable in VARIABLES.values() if callable(variable.default)]
    assert computed
    assert all(variable.shown_default for variable in computed)
