"""The view of patterns and what may be asked of it (intelligence §8), without a server."""

from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_app.cursors import CURSOR_US
from bridge_app.domain.intelligence.patterns import HISTORY, Known, PatternView
from bridge_app.domain.intelligence.queries import Page, PatternQuery
from bridge_app.errors import NotFound, ServiceUnavailable, ValidationError
from bridge_app.events.envelope import Event
from bridge_app.web.intelligence import list_patterns, show_pattern
from tests.unit.intelligence.pipeline import SECOND, START_US, Pipeline

HOUR = 3600 * SECOND
NOW_US = START_US + HOUR


class Away:
    """Postgres, when it is down."""

    async def page(self, query: PatternQuery) -> Page:
        raise ServiceUnavailable("Postgres is away")

    async def find(self, uuid: str) -> Known | None:
        raise ServiceUnavailable("Postgres is away")


def uuid_of(number: int) -> str:
    return str(uuid5(UUID(int=1), str(number)))


def pattern_event(number: int, *, resolved: bool = False, time_us: int = START_US, **info: Any) -> Event:
    """Return a pattern event as another producer may send it: little is said."""
    fields = {"pattern_id": f"pattern_{uuid_of(number)}", "pattern_type": "some", "confidence_score": 0.8, **info}
    return Event(
        event_id=uuid_of(number + 1_000_000),
        event_type=f"intelligence.pattern.{'resolved' if resolved else 'discovered'}",
        time_us=time_us,
        correlation_id="c",
        trace_id="2" * 32,
        partition_key=uuid_of(number),
        payload={"pattern_info": fields},
    )


def view_of(*events: Event, capacity: int = 10_000) -> PatternView:
    view = PatternView(capacity)
    for event in events:
        view.apply(event)
    return view


async def ask(view: PatternView, now_us: int = NOW_US, **params: str) -> dict[str, Any]:
    return await list_patterns(params, view, Away(), now_us)


async def numbers(view: PatternView, **params: Any) -> list[int]:
    """Return the numbers of the patterns that are listed, in order."""
    names = {f"pattern_{uuid_of(number)}": number for number in range(100)}
    return [names[pattern["pattern_id"]] for pattern in (await ask(view, **params))["patterns"]]


async def test_intelligence_03_the_list_shows_what_the_agents_found() -> None:
    pipeline = Pipeline()
    for number, time_ms in enumerate((2000, 2200, 2400, 2600, 2800)):
        pipeline.start(f"s{number}", time_ms)
        pipeline.wait(0.5)
    view = view_of(*pipeline.published)
    data = await ask(view, pipeline.now_us, pattern_type="startup_performance")
    first = data["patterns"][0]
    assert (first["pattern_type"], first["confidence_score"], data["total_patterns"]) == (
        "startup_performance",
        0.8571,
        1,
    )
    assert len(first["affected_services"]) == 5
    assert (first["evidence"]["median_ms"], first["evidence"]["trend"]) == (2400, "rising")
    assert set(first) == {
        "pattern_id", "pattern_type", "confidence_score", "discovery_time", "last_seen", "status", "severity", "phase",
        "revision", "occurrences", "affected_services", "affected_services_total", "affected_tools",
        "affected_tools_total", "description", "recommendations", "environment", "series", "evidence",
    }  # fmt: skip


@pytest.mark.parametrize(
    "window",
    [
        "abc",
        "0",
        "-1",
        "0m",
        "2161",
        "91d",
        "129601m",
        "1e4",
        "1e-9999",
        "1e999",
        "1_0",
        ".",
        "5.",
        "e1",
        "nan",
        "inf",
        "24H",
        "",
        "1 h",
    ],
)
async def test_intelligence_17_a_bad_time_window_is_named(window: str) -> None:
    with pytest.raises(ValidationError) as caught:
        await ask(PatternView(), time_window=window)
    assert [error.path for error in caught.value.errors] == ["query.time_window"]


@pytest.mark.parametrize(
    ("window", "seconds"),
    [
        ("24", 86400), ("0.5", 1800), ("30m", 1800), ("24h", 86400), ("1d", 86400),
        (".5", 1800), ("1e1", 36000), ("1.5E+1m", 900), ("5e-1h", 1800),
    ],
)  # fmt: skip
async def test_windows(window: str, seconds: int) -> None:
    view = view_of(
        pattern_event(1, time_us=NOW_US - seconds * SECOND), pattern_event(2, time_us=NOW_US - seconds * SECOND - 1)
    )
    assert await numbers(view, time_window=window) == [1]


async def test_the_window_is_told() -> None:
    data = await ask(PatternView(), 1_705_314_600_500_000, time_window="30m")
    assert data == {
        "patterns": [],
        "total_patterns": 0,
        "analysis_window": {"start_time": "2024-01-15T10:00:00.500000Z", "end_time": "2024-01-15T10:30:00.500000Z"},
        "pagination": {"limit": 100, "has_more": False, "next_cursor": None},
    }


async def test_intelligence_17_filters_are_exact() -> None:
    view = view_of(
        pattern_event(1, affected_services=["x", "y"], affected_tools=["t"]),
        pattern_event(2, affected_services=["xy"], severity="high"),
        pattern_event(3, pattern_type="other", confidence_score=0.5),
    )
    assert await numbers(view, pattern_type="nope") == []
    assert await numbers(view, service="x") == [1]
    assert await numbers(view, tool="t") == [1]
    assert await numbers(view, severity="high") == [2]
    assert await numbers(view, pattern_type="other") == [3]
    for text in ("0.8", ".8", "8e-1", "0.08E1"):
        assert await numbers(view, min_confidence=text) == [1, 2]
    assert await numbers(view, service="x", severity="high") == []
    assert sorted(await numbers(view, unknown="parameter")) == [1, 2, 3]


async def test_dismissed_patterns_are_hidden_unless_asked_for() -> None:
    view = view_of(
        pattern_event(1, confidence_score=0.9),
        pattern_event(2, resolved=True, confidence_score=0.8),
        pattern_event(3, resolved=True, status="dismissed", confidence_score=0.7),
    )
    assert await numbers(view) == [1, 2]
    assert await numbers(view, status="all") == [1, 2, 3]
    for number, status in enumerate(("active", "resolved", "dismissed"), start=1):
        assert await numbers(view, status=status) == [number]


async def test_every_bad_parameter_is_named() -> None:
    params: dict[str, Any] = {
        "time_window": "x", "status": "open", "min_confidence": "1.1", "severity": "HIGH", "limit": "0", "cursor": "?",
        "service": "a\0",
    }  # fmt: skip
    with pytest.raises(ValidationError) as caught:
        await ask(PatternView(), **params)
    assert {error.path for error in caught.value.errors} == {f"query.{name}" for name in params}


@pytest.mark.parametrize(
    "text", ["", ".", "1_0e-2", "nan", "inf", "-0.1", "1e1", "1.", "0x0", "1e999", "\N{SUPERSCRIPT TWO}"]
)
async def test_a_confidence_is_a_plain_number_up_to_one(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        await ask(PatternView(), min_confidence=text)
    assert [error.path for error in caught.value.errors] == ["query.min_confidence"]


@pytest.mark.parametrize("limit", ["1001", "-1", "ten", "1.0", ""])
async def test_bad_limits(limit: str) -> None:
    with pytest.raises(ValidationError, match=r"query\.limit"):
        await ask(PatternView(), limit=limit)


async def test_order_confidence_then_services_then_latest_then_id() -> None:
    same = sorted((5, 6), key=uuid_of)
    view = view_of(
        pattern_event(1, confidence_score=0.7),
        pattern_event(2, confidence_score=0.9),
        pattern_event(3, affected_services=["a", "b"]),
        pattern_event(4, time_us=START_US + 1),
        pattern_event(5),
        pattern_event(6),
    )
    assert await numbers(view) == [2, 3, 4, *same, 1]


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(st.tuples(st.sampled_from([0.7, 0.8, 1]), st.integers(0, 3), st.integers(0, 3)), max_size=40),
    st.integers(1, 10),
)
async def test_pages_together_are_the_whole(found: list[tuple[float, int, int]], limit: int) -> None:
    view = view_of(
        *(
            pattern_event(
                number,
                confidence_score=confidence,
                affected_services=[str(service) for service in range(services)],
                time_us=START_US + later,
            )
            for number, (confidence, services, later) in enumerate(found)
        )
    )
    whole = (await ask(view))["patterns"]
    pages: list[Any] = []
    params: dict[str, Any] = {"limit": str(limit)}
    while True:
        data = await ask(view, **params)
        assert data["total_patterns"] == len(found)
        assert len(data["patterns"]) <= limit
        pages += data["patterns"]
        assert len(pages) <= len(found)
        if not data["pagination"]["has_more"]:
            break
        params["cursor"] = data["pagination"]["next_cursor"]
    assert pages == whole


async def test_a_cursor_keeps_the_window_expires_and_belongs_to_its_filters() -> None:
    view = view_of(pattern_event(1), pattern_event(2))
    first = await ask(view, limit="1")
    cursor = first["pagination"]["next_cursor"]
    second = await ask(view, NOW_US + CURSOR_US, limit="1", cursor=cursor)
    assert second["analysis_window"] == first["analysis_window"]
    with pytest.raises(ValidationError, match=r"query\.cursor.*expired"):
        await ask(view, NOW_US + CURSOR_US + 1, cursor=cursor)
    with pytest.raises(ValidationError, match=r"query\.cursor.*other filters"):
        await ask(view, cursor=cursor, pattern_type="some")


@given(st.text() | st.binary().map(lambda data: urlsafe_b64encode(data).decode()))
async def test_any_text_as_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"query\.cursor"):
        await ask(PatternView(), cursor=text)


async def test_only_a_higher_revision_changes_a_pattern() -> None:
    view = view_of(pattern_event(1, revision=2, confidence_score=0.9))
    view.apply(pattern_event(1, revision=2, confidence_score=0.1))
    view.apply(pattern_event(1, revision=1, confidence_score=0.1))
    assert (await ask(view))["patterns"][0]["confidence_score"] == 0.9
    view.apply(pattern_event(1, revision=3, resolved=True, confidence_score=0.8, time_us=START_US + SECOND))
    shown = await show_pattern(uuid_of(1), view, Away())
    assert [(entry["revision"], entry["status"], entry["confidence"]) for entry in shown["history"]] == [
        (2, "active", 0.9),
        (3, "resolved", 0.8),
    ]
    assert shown["history"][1]["time"] == "2023-11-14T22:13:21.000000Z"


async def test_history_is_bounded() -> None:
    view = view_of(*(pattern_event(1, revision=number + 1) for number in range(HISTORY + 10)))
    shown = await show_pattern(f"pattern_{uuid_of(1)}", view, Away())
    assert [entry["revision"] for entry in shown["history"]] == list(range(11, HISTORY + 11))


async def test_what_is_no_pattern_id_is_not_found() -> None:
    with pytest.raises(NotFound):
        await show_pattern("nope", PatternView(), Away())
    with pytest.raises(ServiceUnavailable):
        await show_pattern(uuid_of(1), PatternView(), Away())


@pytest.mark.parametrize(
    "info",
    [
        {"pattern_type": None},
        {"pattern_type": ""},
        {"pattern_type": "x" * 101},
        {"confidence_score": None},
        {"confidence_score": "0.8"},
        {"confidence_score": 1.1},
        {"confidence_score": -0.1},
        {"confidence_score": True},
    ],
)
async def test_events_that_carry_no_pattern_are_left_out(info: dict[str, Any]) -> None:
    assert len(view_of(pattern_event(1, **info))) == 0


async def test_patterns_of_other_producers_are_listed_as_far_as_they_go() -> None:
    junk: dict[str, Any] = {
        "affected_services": "x", "revision": "2", "severity": "awful", "last_seen": "yesterday", "evidence": [],
        "occurrences": 0, "recommendations": {}, "status": 7,
    }  # fmt: skip
    view = view_of(pattern_event(1, **junk), pattern_event(2, pattern_id="my-own-name"))
    first = next(p for p in (await ask(view))["patterns"] if p["pattern_id"] == f"pattern_{uuid_of(1)}")
    assert (first["affected_services"], first["revision"], first["severity"]) == ((), 1, None)
    assert (first["status"], first["evidence"], first["last_seen"]) == ("active", {}, "2023-11-14T22:13:20.000000Z")
    assert len(view) == 2


async def test_affected_services_are_sorted_distinct_and_at_most_100() -> None:
    services = [f"{number % 150:03d}" for number in range(299, -1, -1)]
    shown = (await ask(view_of(pattern_event(1, affected_services=services))))["patterns"][0]
    assert list(shown["affected_services"]) == [f"{number:03d}" for number in range(100)]
    assert shown["affected_services_total"] == 150


async def test_long_windows_are_for_postgres() -> None:
    view = view_of(pattern_event(1))
    with pytest.raises(ServiceUnavailable):
        await ask(view, time_window="48")
    assert await numbers(view, time_window="24") == [1]


async def test_windows_from_which_something_was_dropped_are_for_postgres() -> None:
    view = view_of(*(pattern_event(number, time_us=START_US + number * SECOND) for number in range(4)), capacity=3)
    with pytest.raises(ServiceUnavailable):
        await ask(view, time_window="24")
    assert await numbers(view, time_window=f"{(3600 - 0.5) / 60:.6f}m") == [3, 2, 1]


async def test_the_pattern_that_changed_longest_ago_leaves_first() -> None:
    view = view_of(pattern_event(1), pattern_event(2), pattern_event(1, revision=2), pattern_event(3), capacity=2)
    assert [view.find(uuid_of(number)) is not None for number in (1, 2, 3)] == [True, False, True]
