"""The routes on a real web server, on a free port (intelligence §8)."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias
from uuid import uuid4

import faust
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bridge_app.clock import SystemClock
from bridge_app.domain.configuration.live import LiveSettings
from bridge_app.domain.intelligence.baselines import BaselineView
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.effects.pattern_history import PatternHistory
from bridge_app.errors import ServiceUnavailable
from bridge_app.settings import Settings
from bridge_app.web import intelligence
from bridge_app.web.answers import Answers
from bridge_app.web.assembly import web_factory
from tests.unit.intelligence.pipeline import Pipeline

Client: TypeAlias = TestClient[web.Request, web.Application]


class NoPostgres:
    """Lends no connection."""

    def acquire(self, operation: str) -> Any:
        raise ServiceUnavailable("Postgres is away")


@pytest.fixture
def view() -> PatternView:
    """What three starts of this moment make of an empty view."""
    pipeline, view = Pipeline(), PatternView()
    pipeline.now_us = SystemClock().now_us()
    for service in ("a", "b", "c"):
        pipeline.start(service, 2000)
    for event in pipeline.published:
        view.apply(event)
    return view


@pytest.fixture
async def http(view: PatternView, make_settings: Callable[..., Settings]) -> AsyncIterator[Client]:
    clock = SystemClock()
    answers = Answers(clock)
    app = faust.App("web-test", env_prefix="UNUSED_", autodiscover=False)
    new_web = web_factory(
        LiveSettings(make_settings()),
        answers=answers,
        clock=clock,
        new_uuid=lambda: str(uuid4()),
        stopping=lambda: False,
        halt=lambda error: pytest.fail(str(error)),
    )
    driver = new_web(app)
    app.web = driver
    history = PatternHistory(NoPostgres(), topic="intelligence.patterns")
    intelligence.register(app, view=view, baselines=BaselineView(), history=history, answers=answers, clock=clock)
    driver.init_server()
    async with TestClient(TestServer(driver.web_app)) as client:
        yield client


async def get(http: Client, path: str, **params: str) -> tuple[int, dict[str, Any]]:
    async with http.get(path, params=params) as response:
        return response.status, await response.json()


async def test_intelligence_17_the_list_over_http(http: Client) -> None:
    status, body = await get(http, "/intelligence/patterns", pattern_type="startup_performance")
    first = body["data"]["patterns"][0]
    assert (status, body["success"], body["data"]["total_patterns"]) == (200, True, 1)
    assert (first["confidence_score"], first["affected_services"]) == (0.8, ["a", "b", "c"])
    status, body = await get(http, "/intelligence/patterns", pattern_type="nope")
    assert (status, body["data"]["patterns"]) == (200, [])
    status, body = await get(http, "/intelligence/patterns", service="a")
    assert {service for pattern in body["data"]["patterns"] for service in pattern["affected_services"]} >= {"a"}
    assert all("a" in pattern["affected_services"] for pattern in body["data"]["patterns"])


@pytest.mark.parametrize("window", ["abc", "0", "-1"])
async def test_intelligence_17_bad_windows_over_http(http: Client, window: str) -> None:
    status, body = await get(http, "/intelligence/patterns", time_window=window)
    assert (status, body["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert body["error"]["details"]["errors"][0]["path"] == "query.time_window"


async def test_intelligence_21_what_only_postgres_knows_is_503_without_it(http: Client) -> None:
    status, body = await get(http, "/intelligence/patterns", time_window="48")
    assert (status, body["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")


async def test_one_pattern_over_http(http: Client) -> None:
    _, body = await get(http, "/intelligence/patterns", pattern_type="startup_performance")
    listed = body["data"]["patterns"][0]
    status, body = await get(http, f"/intelligence/patterns/{listed['pattern_id']}")
    history = body["data"].pop("history")
    assert (status, body["data"]) == (200, listed)
    assert [(entry["revision"], entry["confidence"], entry["status"]) for entry in history] == [(1, 0.8, "active")]
    status, body = await get(http, "/intelligence/patterns/pattern_nope")
    assert (status, body["error"]["code"]) == (404, "NOT_FOUND")


async def test_baselines_over_http(http: Client) -> None:
    status, answer = await get(http, "/intelligence/baselines", tool="t")
    assert (status, answer["data"]) == (200, {"baselines": []})
    status, answer = await get(http, "/intelligence/baselines", service="\0")
    assert (status, answer["error"]["details"]["errors"][0]["path"]) == (422, "query.service")
