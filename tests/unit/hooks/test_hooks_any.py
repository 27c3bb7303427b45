"""Hooks of any type, as a batch has them (hooks §5, §9)."""

from typing import Any

import pytest

from bridge_app.domain.hooks import Arrival, accept_any
from bridge_app.errors import InvalidHookType, ValidationError
from bridge_app.events.decoding import decode
from tests.unit.records import record_of

ARRIVAL = Arrival("00000000-0000-4000-8000-000000000001", 0, "0" * 31 + "1", None, "own", None)
WRONG: dict[str, Any] = {"correlation_id": 5, "timestamp": "bad", "metadata": [], "more": "\0"}
PATHS = {"$.correlation_id", "$.timestamp", "$.metadata", "$.more"}


def test_an_unknown_type_is_told_with_all_other_problems_of_the_hook() -> None:
    with pytest.raises(InvalidHookType) as refused:
        accept_any({"hook_type": "node-started", **WRONG}, ARRIVAL)
    assert {error.path for error in refused.value.errors} == {"$.hook_type", *PATHS}
    allowed = refused.value.details["allowed"]
    assert {"service_started", "tool_discovered", "tool_executed"} <= set(allowed)
    assert allowed == sorted(allowed)


@pytest.mark.parametrize("given", [{}, {"hook_type": 7}])
def test_a_missing_type_is_told_with_all_other_problems_of_the_hook(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        accept_any({**given, **WRONG}, ARRIVAL)
    assert {error.path for error in refused.value.errors} == {"$.hook_type", *PATHS}


def test_what_is_no_object_is_no_hook() -> None:
    with pytest.raises(ValidationError) as refused:
        accept_any([], ARRIVAL)
    assert [error.path for error in refused.value.errors] == ["$"]


def test_a_bare_hook_keeps_the_id_of_its_header_that_is_no_uuid() -> None:
    hook = {"hook_type": "service_stopped", "service_info": {"name": "s", "version": "1", "instance_id": "i"}}
    event = decode(record_of(hook, topic="hooks.service_lifecycle", headers=(("event_id", b"order-7"),)))
    assert event.metadata["original_event_id"] == "order-7"
