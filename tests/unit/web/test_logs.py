"""Logs: JSON lines, masked secrets, a limit on what a broker outage makes others repeat."""

import io
import logging
import logging.config
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import structlog

from bridge_app.logs import NoiseLimit, configure, masking, set_level
from bridge_app.masking import secrets_of
from bridge_app.runtime.process import BridgeWorker
from bridge_app.settings import Settings


@pytest.fixture
def lines(make_settings: Callable[..., Settings]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Log through the configuration of a worker; yield a function that returns what was written."""
    stream = io.StringIO()
    settings = make_settings(LOG_FORMAT="json", LOG_LEVEL="info", POSTGRES_PASSWORD="correct horse")
    before = (logging.root.handlers[:], logging.root.level)
    config = configure(settings)
    config["handlers"]["stderr"]["stream"] = stream
    logging.config.dictConfig(config)
    yield lambda: [orjson.loads(line) for line in stream.getvalue().splitlines()]
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)
    structlog.reset_defaults()


def test_events_of_structlog_and_of_the_standard_library_are_json_lines(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    structlog.get_logger("bridge").info("hook_accepted", hook_id="hook_1", count=3)
    logging.getLogger("faust").warning("committed %s of %s", 1, 2)
    logging.getLogger("faust").debug("too much")

    own, foreign = lines()
    assert (own["event"], own["hook_id"], own["count"], own["level"]) == ("hook_accepted", "hook_1", 3, "info")
    assert (foreign["event"], foreign["logger"], foreign["level"]) == ("committed 1 of 2", "faust", "warning")


def test_an_exception_is_logged_with_its_traceback_and_without_secrets(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    try:
        raise ValueError("cannot connect with correct horse")
    except ValueError:
        structlog.get_logger("bridge").exception("failed")

    [line] = lines()
    assert "ValueError: cannot connect with ***" in line["exception"]


def test_secrets_are_masked_by_name_in_urls_and_by_value() -> None:
    event = {
        "event": "connected to postgres://admin:hunter2@db:5432/x with s3cr3t-value",
        "consul_token": "abc",
        "jwt_token": None,
        "headers": {"Authorization": "Bearer x", "X-API-Key": "k", "X-Service-Auth": "k", "Accept": "*/*"},
        "kafka": [{"sasl_username": "u", "private_key_file": "p", "credentials": ("u", "p")}],
        "port": 5432,
    }

    assert masking(("s3cr3t-value",))(None, "info", event) == {
        "event": "connected to postgres://***@db:5432/x with ***",
        "consul_token": "***",
        "jwt_token": None,
        "headers": {"Authorization": "***", "X-API-Key": "***", "X-Service-Auth": "***", "Accept": "*/*"},
        "kafka": [{"sasl_username": "***", "private_key_file": "***", "credentials": "***"}],
        "port": 5432,
    }


def record(name: str, message: str) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, (), None)


def test_a_repeated_message_of_a_noisy_logger_is_counted_instead_of_written() -> None:
    now = 0.0
    limit = NoiseLimit(lambda: now)

    passed = [limit.filter(record("aiokafka.conn", "cannot connect")) for _ in range(10)]
    assert passed == [True] * 3 + [False] * 7
    assert limit.filter(record("aiokafka.conn", "another message"))
    assert all(limit.filter(record("bridge_app", "cannot connect")) for _ in range(10))

    now = 10.0
    next_one = record("aiokafka.conn", "cannot connect")
    assert limit.filter(next_one)
    assert next_one.msg == "cannot connect (and 7 more like it)"


def test_the_worker_leaves_the_level_of_the_root_logger_alone() -> None:
    worker = BridgeWorker.__new__(BridgeWorker)
    logger = logging.Logger("root", logging.INFO)

    worker.on_setup_root_logger(logger, logging.WARNING)

    assert (logger.level, logger.handlers) == (logging.INFO, [])


def test_the_secrets_of_the_settings_are_masked_wherever_they_appear(make_settings: Callable[..., Settings]) -> None:
    environ = {
        "POSTGRES_PASSWORD": "postgres-password",
        "CONSUL_TOKEN": "consul-token",
        "JWT_SECRET": "jwt-secret-0123456789",
        "KAFKA_SASL_PASSWORD": "sasl-password",
    }
    mask = masking(secrets_of(make_settings(**environ)))

    for secret in environ.values():
        assert mask(None, "info", {"event": f"refused: {secret}!"}) == {"event": "refused: ***!"}


def test_configuration_1_another_level_counts_at_once(lines: Callable[[], list[dict[str, Any]]]) -> None:
    own, chatty = structlog.get_logger("bridge"), logging.getLogger("faust")

    def say() -> None:
        own.debug("own_debug")
        own.info("own_info")
        chatty.info("[^-App]: Starting...")
        chatty.warning("chatty_warning")

    for level in ("INFO", "DEBUG", "ERROR", "WARNING"):
        set_level(level)
        say()
    set_level("INFO")
    assert [line["event"] for line in lines()] == [
        "own_info", "chatty_warning",
        "own_debug", "own_info", "[^-App]: Starting...", "chatty_warning",
        "chatty_warning",
    ]  # fmt: skip
