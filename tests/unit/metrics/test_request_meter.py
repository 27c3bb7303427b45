"""Requests and hook posts are counted by what they are, never by what a caller wrote."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bridge_app.domain.hooks import LIFECYCLE
from bridge_app.metrics import Metrics
from bridge_app.web.idempotency import REPLAYED
from bridge_app.web.meter import BUFFERED, VALIDATED, create_meter, note_hook, note_hooks

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def http(metrics: Metrics) -> AsyncIterator[Client]:
    async def hook(request: web.Request) -> web.Response:
        note = note_hook(request, LIFECYCLE, await request.json())
        note.status = request.query.get("status", note.status)
        headers = {REPLAYED: "true"} if "replayed" in request.query else {}
        return web.Response(status=int(request.query.get("answer", "200")), headers=headers)

    async def show(request: web.Request) -> web.Response:
        return web.Response()

    async def batch(request: web.Request) -> web.Response:
        hooks = await request.json()
        for note, hook in zip(note_hooks(request, ((LIFECYCLE, one) for one in hooks)), hooks, strict=True):
            note.status = hook.get("status", note.status)
        return web.Response(status=int(request.query.get("answer", "200")))

    app = web.Application(middlewares=[create_meter(metrics, iter(range(1000)).__next__), _answers_errors])
    app.router.add_post("/hooks/service/lifecycle", hook)
    app.router.add_post("/hooks/batch", batch)
    app.router.add_get("/things/{thing_id}", show)
    async with TestClient(TestServer(app)) as client:
        yield client


@web.middleware
async def _answers_errors(request: web.Request, handler: Callable[..., Any]) -> Any:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return web.Response(status=error.status)


def counted(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    (family,) = (family for family in metrics.registry.collect() if f"{family.name}_total" == name)
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


async def test_the_route_is_the_template_and_unknown_things_have_one_name(metrics: Metrics, http: Client) -> None:
    for path in ("/things/1", "/things/2", "/nothing/3"):
        await http.get(path)
    await http.request("PROPFIND", "/things/4")
    assert counted(metrics, "bridge_http_requests_total") == {
        ("GET", "/things/{thing_id}", "200"): 2,
        ("GET", "unmatched", "404"): 1,
        ("other", "unmatched", "405"): 1,
    }
    name, labels = "bridge_http_request_duration_seconds_sum", {"method": "GET", "route": "/things/{thing_id}"}
    assert metrics.registry.get_sample_value(name, labels) == 2


async def test_hooks_are_counted_by_type_and_outcome(metrics: Metrics, http: Client) -> None:
    route = "/hooks/service/lifecycle"
    for answer in (200, 422, 503):
        await http.post(f"{route}?answer={answer}", json={"hook_type": "Service-Start"})
    await http.post(f"{route}?status={BUFFERED}", json={"hook_type": "service_stopped"})
    await http.post(f"{route}?status={VALIDATED}", json={"hook_type": "service_stopped"})
    for hook_type in ("anything", 7):
        await http.post(f"{route}?answer=422", json={"hook_type": hook_type})
    await http.post(f"{route}?answer=422", json=["no object"])
    assert counted(metrics, "hooks_processed_total") == {
        ("service_started", "published"): 1,
        ("service_started", "invalid"): 1,
        ("service_started", "rejected"): 1,
        ("service_stopped", "buffered"): 1,
        ("unknown", "invalid"): 3,
    }
    assert metrics.registry.get_sample_value("bridge_hooks_in_flight") == 0


async def test_a_hook_answered_from_a_kept_answer_is_counted_once(metrics: Metrics, http: Client) -> None:
    route, started = "/hooks/service/lifecycle", {"hook_type": "service_started"}
    for query in ("", "?replayed=", "?replayed=&answer=413"):
        await http.post(route + query, json=started)
    assert counted(metrics, "hooks_processed_total") == {("service_started", "published"): 1}
    requests = counted(metrics, "bridge_http_requests_total")
    assert requests == {("POST", route, "200"): 2, ("POST", route, "413"): 1}


async def test_each_hook_of_a_batch_is_counted(metrics: Metrics, http: Client) -> None:
    started = {"hook_type": "service_started"}
    hooks = [started, started, {**started, "status": "invalid"}, {"hook_type": "anything", "status": "invalid"}]
    await http.post("/hooks/batch", json=hooks)
    await http.post("/hooks/batch?answer=503", json=[started])
    assert counted(metrics, "hooks_processed_total") == {
        ("service_started", "published"): 2,
        ("service_started", "invalid"): 1,
        ("unknown", "invalid"): 1,
        ("service_started", "rejected"): 1,
    }
