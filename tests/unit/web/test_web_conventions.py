"""What all routes share: ids, the wrapper, headers, other methods, defects, the stop (conventions §4, §5)."""

from uuid import UUID

import aiohttp
import pytest
import structlog
from structlog.testing import capture_logs

from bridge_app import __version__
from bridge_app.web import hooks, middleware
from tests.unit.web.asking import JSON, ROUTE, call
from tests.unit.web.http_worker import Worker

START = {"hook_type": "service_started", "service_info": {"name": "s", "version": "1", "instance_id": "i"}}
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_conventions_07_a_failure_has_code_message_details_and_trace(http: aiohttp.ClientSession) -> None:
    response, answer = await call(
        http, "GET", "/nowhere", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-ID": "r-1"}
    )

    assert response.status == 404
    assert answer["error"] == {
        "code": "NOT_FOUND",
        "message": "There is no /nowhere",
        "details": {},
        "trace_id": TRACE,
    }
    assert answer["metadata"] == {
        "request_id": "r-1",
        "timestamp": "2024-01-15T10:30:00.000000Z",
        "processing_time_ms": 0.0,
        "version": __version__,
    }
    assert response.headers["X-Request-ID"] == "r-1"
    assert response.headers["traceparent"].startswith(f"00-{TRACE}-")


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "x",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b7169203331-01-more",
        f"00-{TRACE}-b7ad6b7169203331",
    ],
)
async def test_a_malformed_traceparent_starts_a_new_trace(http: aiohttp.ClientSession, traceparent: str) -> None:
    response, _ = await call(http, "GET", "/health", headers={"traceparent": traceparent})

    trace_id = response.headers["traceparent"].split("-")[1]
    assert len(trace_id) == 32
    assert trace_id not in ("0" * 32, TRACE)


@pytest.mark.parametrize("traceparent", [f"00-{TRACE}-b7ad6b7169203331-00", f"01-{TRACE}-b7ad6b7169203331-01-more"])
async def test_a_trace_goes_on_unsampled_and_in_a_later_version(http: aiohttp.ClientSession, traceparent: str) -> None:
    response, _ = await call(http, "GET", "/health", headers={"traceparent": traceparent})

    _, trace_id, parent, _ = response.headers["traceparent"].split("-")
    assert trace_id == TRACE
    assert parent != "b7ad6b7169203331"


@pytest.mark.parametrize("request_id", ["", "x" * 256])
async def test_an_unusable_request_id_is_replaced(http: aiohttp.ClientSession, request_id: str) -> None:
    response, answer = await call(http, "GET", "/health", headers={"X-Request-ID": request_id})

    assert str(UUID(response.headers["X-Request-ID"])) == answer["metadata"]["request_id"]


async def test_conventions_06_a_correlation_header_of_256_characters_is_refused(http: aiohttp.ClientSession) -> None:
    response, answer = await call(http, "GET", "/health", headers={"X-Correlation-ID": "x" * 256})

    assert response.status == 422
    assert answer["error"]["details"]["errors"][0]["path"] == "header.X-Correlation-ID"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"{}", "text/plain", 415), (b"{", "application/json", 400), (b"{}", "application/json", 422)],
)
async def test_conventions_08_query_and_headers_are_checked_with_the_fields_of_the_body(
    http: aiohttp.ClientSession, body: bytes, content_type: str, status: int
) -> None:
    headers = {"Content-Type": content_type, "X-Correlation-ID": "x" * 256}

    response, _ = await call(http, "POST", f"{ROUTE}?dry_run=maybe", data=body, headers=headers)

    assert response.status == status


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", ROUTE, "POST"),
        ("DELETE", "/health", "GET, HEAD"),
        ("DELETE", "/hooks/batch", "POST"),
        ("POST", "/hooks/x", "GET, HEAD"),
    ],
)
async def test_conventions_08_another_method_is_405_with_allow(
    http: aiohttp.ClientSession, method: str, path: str, allow: str
) -> None:
    response, answer = await call(http, method, path)

    assert (response.status, answer["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["Allow"] == allow


@pytest.mark.parametrize("path", ["/router", "/table", "/tables", "/graph", "/stats", "/performance"])
async def test_faust_serves_no_pages_of_its_own(http: aiohttp.ClientSession, path: str) -> None:
    response, _ = await call(http, "GET", path)

    assert response.status == 404


async def test_headers_over_16_kib_are_refused(http: aiohttp.ClientSession) -> None:
    response, answer = await call(http, "GET", "/health", headers={"X-Large": "x" * 16_384})

    assert response.status == 422
    assert answer["error"]["details"]["limit_bytes"] == 16_384


async def test_a_defect_is_500_without_its_details(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    response, answer = await call(http, "GET", "/defect")

    assert (response.status, answer["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "secret detail" not in str(answer)


async def test_while_the_worker_stops_requests_are_refused_and_probes_answered(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    worker.stopping = True

    response, answer = await call(http, "POST", ROUTE, data=b"{}", headers=JSON)
    assert (response.status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert response.headers["Connection"] == "close"

    response, answer = await call(http, "GET", "/ready")
    assert (response.status, answer["data"]["reasons"]) == (503, ["shutting down"])
    response, _ = await call(http, "GET", "/health")
    assert response.status == 200


async def test_conventions_4_log_lines_carry_the_correlation_of_their_request(
    worker: Worker, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (hooks, middleware):  # a logger that has logged keeps its configuration
        monkeypatch.setattr(module, "log", structlog.get_logger())
    worker.analysis = KeyError("x")
    headers = {"X-Correlation-ID": "header", "X-Request-ID": "r"}
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await call(http, "GET", "/defect", headers=headers)
        await call(http, "POST", ROUTE, json={**START, "correlation_id": "body"}, headers=headers)
        await call(http, "POST", ROUTE, json=START, headers={"X-Request-ID": "r"})

    assert [(line["event"], line["request_id"]) for line in logs] == [
        ("request_failed", "r"),
        ("analysis_failed", "r"),
        ("analysis_failed", "r"),
    ]
    published = [event.correlation_id for _, event in worker.published]
    assert [line["correlation_id"] for line in logs] == ["header", *published]
    assert published[0] == "body"
