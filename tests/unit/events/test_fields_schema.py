"""A rule and its JSON Schema never disagree: what one takes the other takes."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bridge_app.domain.hook_schemas import body_schema
from bridge_app.domain.hooks import ROUTES, Arrival, HookRoute, accept
from bridge_app.errors import ValidationError
from bridge_app.events import fields
from bridge_app.events.fields import Array, Choice, Either, Errors, Integer, Number, Object, Rule, Text
from bridge_app.json_values import unstorable
from bridge_app.timestamps import RFC3339
from tests.unit.schemas import accepts, check

TEXTS = st.text(max_size=6) | st.sampled_from(
    ["", " ", "\n", "ok", "OK\n", "Warm", "war\u212a", "a" * 5, "\x1f", "\x85"]
)
#: JSON Schema does not tell 1.0 from 1; the rules do.
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: not value.is_integer())
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 12) | FRACTIONS | TEXTS
NAMES = st.sampled_from(["a", "b", "c", "x", "y", "z", "a_ms", "peak_percent", "free"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
LEAVES = (
    st.builds(Text, st.integers(0, 2), st.integers(2, 5))
    | st.just(Choice(("ok", "warm", "very-hot")))
    | st.builds(Integer, st.integers(-2, 2), st.integers(3, 9))
    | st.builds(Number, st.integers(-2, 2).map(float), st.sampled_from([5.5, Number().most]))
)


def _objects(inner: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    return st.builds(
        Object,
        st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
        st.lists(st.sampled_from(["a", "b"]), unique=True, max_size=2).map(tuple),
        st.dictionaries(st.sampled_from(["x", "y", "z"]), st.sampled_from(["a", "b", "c"]), max_size=3),
    )


def _wider(inner: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    arrays = st.builds(Array, st.none() | inner, st.integers(1, 3))
    objects = _objects(inner)
    return arrays | objects | st.builds(Either, arrays, objects)


RULES: st.SearchStrategy[Rule] = st.recursive(LEAVES, _wider, max_leaves=5)


@settings(deadline=None)  # the machine may be busy
@given(rule=RULES, value=VALUES)
def test_what_a_rule_accepts_its_schema_accepts_and_nothing_else(rule: Rule, value: Any) -> None:
    schema = rule.schema()
    check(schema)
    errors: Errors = []
    rule.read(value, None, errors)
    assert accepts(schema, value) == (not errors), (schema, value, errors)


@pytest.mark.parametrize(
    ("rule", "inside", "outside"),
    [
        (Text(0, 3), ["", "aaa"], ["aaaa"]),
        (Text(2, 3), ["aa", "aaa"], ["a", "aaaa", "  "]),
        (Integer(2, 5), [2, 5], [1, 6, True, "2"]),
        (Number(2, 5.5), [2, 5.5], [1.9, 5.6, 6, False]),
        (Number(), [0, 1.7e308], [-0.1]),
        (Array(None, 2), [[], [1, 2]], [[1, 2, 3]]),
        (Array(Integer(0, 1)), [[0, 1], [0] * 1000], [[2], [0] * 1001]),
        (Choice(("ok", "no")), ["ok", "OK", "nO"], ["okay", "", "ok ", "ok\n"]),
        (fields.TIME, ["2024-01-15 10:30:00", "2024-01-15T10:30:00.123456789+02:00"], ["15/01/2024", "2024-01-15"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_rule_and_its_schema_have_the_same_bounds(rule: Rule, inside: list[Any], outside: list[Any]) -> None:
    for value in (*inside, *outside):
        errors: Errors = []
        rule.read(value, None, errors)
        assert (value in inside, not errors) == (accepts(rule.schema(), value),) * 2, value


@settings(deadline=None)  # the machine may be busy
@given(rule=_objects(LEAVES), value=st.dictionaries(NAMES, SCALARS, max_size=6))
def test_an_object_and_its_schema_agree_about_aliases_and_quantities(rule: Rule, value: Any) -> None:
    errors: Errors = []
    rule.read(value, None, errors)
    assert accepts(rule.schema(), value) == (not errors), (rule.schema(), value, errors)


@settings(deadline=None)  # the machine may be busy
@given(text=st.from_regex(f"^{RFC3339}\\Z") | TEXTS | st.datetimes().map(str))
def test_a_time_is_what_its_schema_says_if_the_date_exists(text: str) -> None:
    errors: Errors = []
    fields.TIME.read(text, None, errors)
    assert errors or accepts(fields.TIME.schema(), text)
    if accepts(fields.TIME.schema(), text) and errors:
        year, month, day, hour = int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[11:13])
        assume(1 < year < 9999 and 1 <= month <= 12 and 1 <= day <= 28 and hour < 24)
        assert int(text[14:16]) > 59 or int(text[17:19]) > 59 or text[-6] in "+-"


ARRIVAL = Arrival("00000000-0000-4000-8000-000000000001", 0, "0" * 31 + "1", None, "own", None)
#: A body of each hook type in all its parts.
FULL: dict[str, Any] = {
    "hook_type": "service_started",
    "correlation_id": "c-1",
    "timestamp": "2024-01-15T10:30:00.5Z",
    "metadata": {"team": "a", "queue_ms": 3},
    "service_info": {
        "name": "shop", "version": "1.0.0", "instance_id": "shop-1", "host": "10.0.0.7", "port": 8000, "type": "api",
        "environment": "prod", "capabilities": ["cart"], "dependencies": ["db"], "health_check_url": "http://shop/health",
        "startup_time_ms": 2500,
    },
    "startup_info": {"initialization_steps": [{"step": "load", "duration_ms": 200, "status": "ok"}]},
    "shutdown_info": {"shutdown_reason": "deploy", "final_metrics": {"uptime_seconds": 3}, "cleanup_operations": []},
    "health_transition": {"current_status": "Healthy", "previous_status": "degraded", "recovery_actions": ["restart"]},
}  # fmt: skip
HOOK_TYPES = [name for route in ROUTES for name in (*route.types, *route.aliases, "Health-Changed", "unknown", "")]
SPOILERS = SCALARS | VALUES | st.sampled_from(["critical", "2024-02-28 10:30:00", ["a", 1], {"a_ms": -1}, 70000])


@st.composite
def _bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A full body with some fields dropped, renamed to their aliases, or given another value."""
    body: dict[str, Any] = {**FULL, "hook_type": draw(st.sampled_from(HOOK_TYPES))}
    for alias, name in (("startup_metrics", "startup_info"), ("health_change", "health_transition")):
        if draw(st.booleans()):
            body[alias] = body[name]
            body[name] = None
    for _ in range(draw(st.integers(0, 3))):
        section = draw(st.sampled_from([None, *(name for name, item in body.items() if isinstance(item, dict))]))
        place = dict(body if section is None else body[section])
        name = draw(st.sampled_from(sorted(place))) if place else "x"
        dropped: bool = draw(st.booleans())
        if dropped and place:
            del place[name]
        else:
            place[name] = draw(SPOILERS)
        body = place if section is None else {**body, section: place}
    return body


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.topic)
@settings(deadline=None)  # the machine may be busy
@given(body=_bodies())
def test_a_route_and_its_documented_body_agree(route: HookRoute, body: dict[str, Any]) -> None:
    assume(not list(unstorable(body)))
    try:
        accept(route, body, ARRIVAL)
        accepted = True
    except ValidationError:
        accepted = False
    assert accepts(body_schema(route), body) == accepted, body
