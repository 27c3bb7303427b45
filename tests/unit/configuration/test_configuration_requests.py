"""The body of `PUT /admin/config`, the transaction it becomes, and what `GET` shows (configuration §6, §7)."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from bridge_app.domain.access import required_scope
from bridge_app.domain.configuration.keys import KEYS
from bridge_app.domain.configuration.notes import Author
from bridge_app.domain.configuration.precedence import Trees, base_of
from bridge_app.domain.configuration.report import State, report
from bridge_app.domain.configuration.requests import operations, read_request, written
from bridge_app.domain.configuration.tree import Entry, read_tree
from bridge_app.errors import ValidationError
from bridge_app.settings import Settings
from tests.unit.configuration.consul_kv import ENVIRONMENT, IDENTITY, read, unread

TTL, WORKERS = "tool-capture-proxy.cache_ttl", "hook-receiver.workers"
AUTHOR = Author("anonymous", None, "c-1", "4bf92f3577b34da6a3ce929d0e0e4736", 0)
NOTE = ".changes/"


def refused(body: Any) -> dict[str, str]:
    """Return what is wrong with a body, by path."""
    with pytest.raises(ValidationError) as refusal:
        read_request(body)
    return {error.path: error.message for error in refusal.value.errors}


def test_values_are_read_as_in_consul() -> None:
    request = read_request({TTL: "90", WORKERS: 2.0, "hook-receiver.log_level": "debug", "change_reason": "x"})
    assert [(key.dotted, value) for key, value in request.values] == [
        (TTL, 90), (WORKERS, 2), ("hook-receiver.log_level", "DEBUG"),
    ]  # fmt: skip
    assert request.reason == "x"
    assert read_request({TTL: None}).values[0][1] is None


def test_configuration_9_every_bad_key_is_named() -> None:
    errors = refused({TTL: 0, WORKERS: 2, "kafka.bootstrap_servers": "x", "nope": 1, "service-registry": {"a": 1}})
    assert set(errors) == {f'$["{TTL}"]', '$["kafka.bootstrap_servers"]', "$.nope", '$["service-registry"]'}
    assert "KAFKA_BOOTSTRAP_SERVERS" in errors['$["kafka.bootstrap_servers"]']
    assert TTL in errors["$.nope"]


@pytest.mark.parametrize(
    ("name", "told"),
    [("KAFKA_TOPIC_PREFIX", "KAFKA_TOPIC_PREFIX"), ("database.password", "POSTGRES_PASSWORD"),
     ("auth.jwt_secret", "JWT_SECRET"), ("outbox.max_events", "OUTBOX_MAX_EVENTS"),
     ("proxy.cache_ttl_seconds", TTL), ("HOOK_WORKERS", WORKERS)],
)  # fmt: skip
def test_a_name_that_means_a_variable_is_told_which(name: str, told: str) -> None:
    assert told in next(iter(refused({name: "x"}).values()))


@pytest.mark.parametrize(
    ("body", "path"),
    [([], "$"), ({}, "$"), ({"change_reason": "x"}, "$"), ({f"k{n}": 1 for n in range(31)}, "$"),
     ({TTL: {"a": 1}}, f'$["{TTL}"]'), ({TTL: [1]}, f'$["{TTL}"]'), ({TTL: 90, "change_reason": 1}, "$.change_reason"),
     ({TTL: 90, "change_reason": "x" * 501}, "$.change_reason"), ({TTL: 90, "change_reason": "\0"}, "$.change_reason")],
)  # fmt: skip
def test_what_is_no_request_is_refused(body: Any, path: str) -> None:
    assert path in refused(body)


def test_a_transaction_takes_two_operations_per_key_and_names_what_it_expects() -> None:
    tree = read(unread().environment, tool_capture_proxy__cache_ttl=("300", 5), hook_receiver__workers=("2", 6))
    request = read_request({TTL: 90, WORKERS: None, "hook-receiver.log_level": "INFO", "change_reason": "x"})
    found = list(operations(request, tree, AUTHOR))
    assert [(one.verb, one.path.removeprefix(ENVIRONMENT), one.value, one.expected) for one in found[::2]] == [
        ("cas", "tool-capture-proxy/cache_ttl", b"90", 5),
        ("delete-cas", "hook-receiver/workers", None, 6),
        ("cas", "hook-receiver/log_level", b"INFO", 0),
    ]
    assert [one.path.removeprefix(ENVIRONMENT + NOTE) for one in found[1::2]] == [
        "tool-capture-proxy/cache_ttl", "hook-receiver/workers", "hook-receiver/log_level",
    ]  # fmt: skip
    assert [orjson.loads(one.value or b"")["deleted"] for one in found[1::2]] == [None, 6, None]
    everything = read_request(dict.fromkeys([key.dotted for key in KEYS], 1) | {"hook-receiver.log_level": "INFO",
        "hook-receiver.confidence_threshold": 0.6, "tool-capture-proxy.staleness_budget": 0.2,
        "hook-receiver.cohort_window": 10, "tool-capture-proxy.routing_strategy": "round_robin"})  # fmt: skip
    assert len(list(operations(everything, tree, AUTHOR))) <= 64


def test_what_is_so_already_is_not_written_again() -> None:
    tree = read(unread().environment, tool_capture_proxy__cache_ttl=("300", 5))
    found = list(operations(read_request({TTL: 300, WORKERS: None}), tree, AUTHOR))
    assert [(one.verb, one.expected) for one in found] == [("check-index", 5), ("check-not-exists", None)]


def test_what_was_written_is_known_without_another_reading() -> None:
    tree = read(unread().environment, tool_capture_proxy__cache_ttl=("300", 5), hook_receiver__workers=("2", 6))
    done = list(operations(read_request({TTL: 90, WORKERS: None}), tree, AUTHOR))
    after = written(tree.entries, done, 9)
    path = f"{ENVIRONMENT}tool-capture-proxy/cache_ttl"
    assert after[path] == Entry(b"90", 9)
    assert f"{ENVIRONMENT}hook-receiver/workers" not in after
    newer = {**tree.entries, path: Entry(b"80", 10)}
    assert written(newer, done, 9)[path] == Entry(b"80", 10)


def test_the_report_has_every_setting_with_its_source(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(CIRCUIT_BREAKER_TIMEOUT=30, KAFKA_TOPIC_PREFIX="t1.")
    tree = read(unread().environment, tool_capture_proxy__cache_ttl=("120", 5), hook_receiver__workers=("abc", 6))
    trees = Trees(tree, unread().shared)
    found = report(State(settings, trees, base_of(settings)), IDENTITY)
    rows = {row["key"]: row for row in found["effective"]}
    assert rows[TTL] == {
        "key": TTL, "value": 120, "source": "consul", "mutable": True, "default": 300,
        "path": f"{ENVIRONMENT}tool-capture-proxy/cache_ttl", "modify_index": 5,
    }  # fmt: skip
    assert rows["tool-capture-proxy.circuit_breaker_timeout"]["source"] == "env"
    assert rows["KAFKA_TOPIC_PREFIX"] == {
        "key": "KAFKA_TOPIC_PREFIX", "value": "t1.", "source": "env", "mutable": False, "default": "", "path": None,
        "modify_index": None,
    }  # fmt: skip
    assert len(rows) == len(settings.readings)
    assert found["configuration"]["proxy"]["cache_ttl_seconds"] == 120
    assert found["configuration"]["kafka"]["topic_prefix"] == "t1."
    assert set(found["configuration"]) == {
        "service_name", "version", "environment", "web", "kafka", "database", "consul", "intelligence", "proxy",
        "registry", "auth",
    }  # fmt: skip
    assert found["rejected"] == [
        {"path": f"{ENVIRONMENT}hook-receiver/workers", "value": "abc",
         "reason": "Expected a whole number of at least 1 and at most 64"},
    ]  # fmt: skip
    assert orjson.dumps(found)


def test_configuration_16_no_secret_is_in_the_report(make_settings: Callable[..., Settings]) -> None:
    secrets = ("POSTGRES_PASSWORD", "CONSUL_TOKEN", "JWT_SECRET", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD")
    settings = make_settings(**dict.fromkeys(secrets, "s3cret"), ONEXTREE_URL="http://me:s3cret@onextree")
    kv = {f"{ENVIRONMENT}kafka/sasl_password": Entry(b"s3cret", 1)}
    trees = Trees(read_tree(unread().environment, kv), unread().shared)
    found = report(State(settings, trees, base_of(settings)), IDENTITY)
    rows = {row["key"]: row["value"] for row in found["effective"]}
    assert [rows[name] for name in secrets] == ["***"] * len(secrets)
    assert (rows["ONEXTREE_URL"], rows["WEBHOOK_SECRETS_FILE"]) == ("http://***@onextree", None)
    assert found["unknown_keys"] == list(kv)
    assert b"s3cret" not in orjson.dumps(found)
    bare = report(State(make_settings(), unread(), base_of(make_settings())), IDENTITY)
    assert {row["key"]: row["value"] for row in bare["effective"]}["JWT_SECRET"] is None


def test_configuration_6_reading_and_changing_need_their_scopes() -> None:
    assert required_scope("GET", "/admin/config") == "admin:read"
    assert required_scope("PUT", "/admin/config") == "admin:write"
