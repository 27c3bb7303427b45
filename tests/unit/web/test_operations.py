"""The last records of the log, and what the process uses."""

import logging
import logging.config
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from bridge_app.errors import ValidationError
from bridge_app.logs import RECENT, RecentRecords, configure
from bridge_app.process_figures import CpuShare, memory_mb
from bridge_app.settings import Settings
from bridge_app.web.operations import list_logs

TIME = "2024-01-15T10:30:0{}.000000Z"


def records(*levels: str, most: int = 1000) -> RecentRecords:
    kept = RecentRecords(most)
    for number, level in enumerate(levels):
        kept(None, level, {"timestamp": TIME.format(number), "level": level, "event": f"event-{number}", "n": number})
    return kept


def messages(params: dict[str, str], kept: RecentRecords) -> list[str]:
    return [one["message"] for one in list_logs(params, kept)]


def test_hooks_23_the_last_records_of_a_level_and_above() -> None:
    kept = records("info", "error", "debug", "critical")
    assert messages({}, kept) == ["event-0", "event-1", "event-2", "event-3"]
    assert messages({"level": "error"}, kept) == ["event-1", "event-3"]
    assert messages({"lines": "1", "level": "INFO"}, kept) == ["event-3"]
    assert messages({"since": TIME.format(2)}, kept) == ["event-2", "event-3"]


def test_only_so_many_records_are_kept() -> None:
    assert messages({}, records("info", "info", "info", most=2)) == ["event-1", "event-2"]


def test_a_record_keeps_its_fields_whatever_they_are() -> None:
    kept = RecentRecords()
    kept(None, "info", {"timestamp": TIME.format(0), "event": "x", "error": ValueError("no"), "level": "warning"})
    assert list_logs({}, kept) == [{"timestamp": TIME.format(0), "level": "WARNING", "message": "x", "error": "no"}]


@pytest.mark.parametrize("params", [{"level": "loud"}, {"since": "yesterday"}, {"lines": "0"}, {"lines": "1001"}])
def test_a_bad_question_names_its_parameter(params: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        list_logs(params, RecentRecords())
    assert refused.value.errors[0].path == f"query.{next(iter(params))}"


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.usefixtures("logging_as_it_was")
@pytest.mark.parametrize("form", ["json", "text"])
def test_hooks_23_what_is_logged_is_kept_without_its_secrets(make_settings: Callable[..., Settings], form: str) -> None:
    settings = make_settings(POSTGRES_PASSWORD="s3cr3t-password", LOG_FORMAT=form)
    config: dict[str, Any] = configure(settings)
    logging.config.dictConfig({**config, "loggers": {}})
    logging.getLogger("somebody.else").error("cannot reach postgres://u:s3cr3t-password@db with %s", form)

    found = list_logs({"level": "ERROR", "lines": "1"}, RECENT)
    assert found[0]["message"] == f"cannot reach postgres://***@db with {form}"
    assert found[0]["logger"] == "somebody.else"
    assert "s3cr3t-password" not in str(found)


def test_the_share_of_a_cpu_is_that_since_the_last_question() -> None:
    now, used = iter((0.0, 2.0, 2.0, 4.0)), iter((1.0, 2.0, 2.0, 2.5))
    share = CpuShare(lambda: next(now), lambda: next(used))
    assert [share.percent(), share.percent(), share.percent()] == [50.0, 0.0, 25.0]


def test_a_process_uses_memory() -> None:
    assert memory_mb() > 1
