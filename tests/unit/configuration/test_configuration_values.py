"""How values are read (configuration §1, §2)."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge_app.domain.configuration.keys import BY_DOTTED, KEYS, Key
from bridge_app.domain.configuration.values import is_blank, read_value

#: Configuration §1: key, variable, default, the least and the most that is allowed or the words.
SPECIFIED = """
hook-receiver.workers HOOK_WORKERS 4 int 1 64
hook-receiver.log_level LOG_LEVEL INFO words DEBUG INFO WARNING ERROR
hook-receiver.rate_limit_per_minute RATE_LIMIT_PER_MINUTE 0 int 0 1000000
hook-receiver.confidence_threshold INTELLIGENCE_CONFIDENCE_THRESHOLD 0.7 number 0.5 0.99
hook-receiver.cohort_window INTELLIGENCE_COHORT_WINDOW_SECONDS 300 number 10 3600
hook-receiver.startup_confirm INTELLIGENCE_STARTUP_CONFIRM_SECONDS 8 number 1 300
hook-receiver.anomaly_cooldown INTELLIGENCE_COOLDOWN_SECONDS 60 number 0 3600
hook-receiver.dlq_max_share KAFKA_DLQ_MAX_SHARE 0.5 number 0.01 1
tool-capture-proxy.cache_ttl PROXY_CACHE_TTL_SECONDS 300 number 1 7200
tool-capture-proxy.staleness_budget PROXY_STALENESS_BUDGET 0.1 number 0.01 0.9
tool-capture-proxy.adaptive_caching_enabled ADAPTIVE_CACHING_ENABLED true words true false 1 0
tool-capture-proxy.timeout_seconds PROXY_TIMEOUT_SECONDS 30 number 0.05 300
tool-capture-proxy.max_attempts PROXY_MAX_ATTEMPTS 3 int 1 10
tool-capture-proxy.routing_strategy PROXY_ROUTING_STRATEGY intelligent_adaptive words intelligent_adaptive round_robin
tool-capture-proxy.circuit_breaker_failure_threshold CIRCUIT_BREAKER_FAILURE_THRESHOLD 5 int 1 1000
tool-capture-proxy.circuit_breaker_timeout CIRCUIT_BREAKER_TIMEOUT 30 number 1 3600
service-registry.health_check_interval REGISTRY_HEALTH_CHECK_INTERVAL_SECONDS 10 number 1 3600
service-registry.ttl_seconds REGISTRY_TTL_SECONDS 60 int 1 86400
service-registry.deregister_after_seconds REGISTRY_DEREGISTER_AFTER_SECONDS 60 number 1 86400
service-registry.self_preservation REGISTRY_SELF_PRESERVATION true words true false 1 0
"""
ROWS = [line.split() for line in SPECIFIED.strip().splitlines()]
INT, NUMBER = BY_DOTTED["hook-receiver.workers"], BY_DOTTED["hook-receiver.anomaly_cooldown"]
SWITCH, LEVEL = BY_DOTTED["tool-capture-proxy.adaptive_caching_enabled"], BY_DOTTED["hook-receiver.log_level"]


def read(key: Key, raw: str | bytes) -> Any:
    """Return what a value is read as, None when it is refused."""
    try:
        return read_value(key.kind, raw if isinstance(raw, bytes) else raw.encode())
    except ValueError:
        return None


def test_configuration_1_every_key_of_the_specification_is_there_and_no_other() -> None:
    assert [(key.dotted, key.variable) for key in KEYS] == [(dotted, variable) for dotted, variable, *_ in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_configuration_1_a_key_takes_its_default_and_what_is_within_its_limits(row: list[str]) -> None:
    key, kind, allowed = BY_DOTTED[row[0]], row[3], row[4:]
    assert read(key, row[2]) is not None
    if kind == "words":
        assert all(read(key, word) is not None for word in allowed)
        assert read(key, "nope") is None
        assert read(key, "yes") is None
        return
    least, most = map(float, allowed)
    step = 1 if kind == "int" else 0.001
    assert [read(key, json.dumps(value)) for value in (least, most)] == [least, most]
    assert [read(key, json.dumps(value)) for value in (least - step, most + step)] == [None, None]
    assert (read(key, json.dumps(least + 0.25)) is None) == (kind == "int")


@pytest.mark.parametrize("raw", ["2", '"2"', "2.0", '"2.0"', " 2\n", '" 2 "', "2.00", "2e0"])
def test_configuration_2_the_same_whole_number_in_every_form(raw: str) -> None:
    value = read(INT, raw)
    assert (value, type(value)) == (2, int)


@pytest.mark.parametrize(
    "raw", ["2.5", "true", "false", "null", "[2]", '{"a": 2}', "abc", '""', "1_0", "0x2", "NaN", "1e400", "9" * 5000,
            "[" * 100_000, b"\xff"],
    ids=lambda raw: str(raw[:8]),
)  # fmt: skip
def test_configuration_2_what_is_no_whole_number(raw: str | bytes) -> None:
    assert read(INT, raw) is None
    if raw != "2.5":
        assert read(NUMBER, raw) is None


@pytest.mark.parametrize(
    ("raw", "value"),
    [("true", True), ("TRUE", True), ('"True"', True), ("1", True), ('"1"', True), ("false", False), ("False", False),
     ("0", False), ("on", None), ("2", None), ("null", None), ("[]", None)],
)  # fmt: skip
def test_configuration_2_switches(raw: str, value: bool | None) -> None:
    assert read(SWITCH, raw) is value


@pytest.mark.parametrize("raw", ["debug", '"DEBUG"', "Debug", " DEBUG "])
def test_configuration_2_words_in_any_case(raw: str) -> None:
    assert read(LEVEL, raw) == "DEBUG"
    assert read(LEVEL, "CRITICAL") is None


@given(st.binary(max_size=40) | st.text(max_size=20).map(str.encode), st.sampled_from(KEYS))
@example(b"1e308", NUMBER)
def test_whatever_the_bytes_are_they_are_read_or_refused(raw: bytes, key: Key) -> None:
    value = read(key, raw)
    if value is not None:
        assert read(key, json.dumps(value)) == value  # what is read is read again as the same


@given(st.integers(1, 64))
def test_every_form_of_a_value_is_the_same_value(number: int) -> None:
    forms = [str(number), f'"{number}"', f"{number}.0", f" {number} ", f'"{number}.0"']
    assert [read(INT, form) for form in forms] == [number] * len(forms)


def test_a_value_of_blanks_is_as_good_as_none() -> None:
    assert is_blank(b"")
    assert is_blank(b" \n")
    assert not is_blank(b"0")
