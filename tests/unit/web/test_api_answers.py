"""What the web server answers is what its own /openapi.json says, down to the last field."""

import hashlib
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from bridge_app.errors import ServiceUnavailable
from bridge_app.json_schema import Schema
from bridge_app.web.api import examples, hook_bodies
from bridge_app.web.documents import page_files
from tests.unit.web.conftest import StartWorker
from tests.unit.web.documented import answer_problems
from tests.unit.web.http_worker import MAX_BODY_BYTES, Worker

HOOKS = "/hooks/service/lifecycle"
MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
HOOK_ROUTES = {
    HOOKS: hook_bodies.LIFECYCLE_BODIES,
    "/hooks/tool/registration": hook_bodies.REGISTRATION_BODIES,
    "/hooks/tool/execution": hook_bodies.EXECUTION_BODIES,
}
START = hook_bodies.LIFECYCLE_BODIES["started"]


async def fetch(http: aiohttp.ClientSession, path: str) -> Schema:
    async with http.get(path) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        document: Schema = await response.json()
        return document


async def ask(http: aiohttp.ClientSession, method: str, path: str, status: int, **options: Any) -> list[str]:
    """Return what is undocumented about an answer of an expected status."""
    document = await fetch(http, "/openapi.json")
    async with http.request(method, path, **options) as response:
        answer = orjson.loads(await response.read())
        assert response.status == status, answer
        return answer_problems(document, method, path, status, answer)


async def test_conventions_the_documents_are_served_unwrapped(http: aiohttp.ClientSession) -> None:
    assert (await fetch(http, "/openapi.json"))["openapi"] == "3.1.0"
    assert (await fetch(http, "/asyncapi.json"))["asyncapi"] == "3.0.0"
    async with http.get("/docs") as response:
        assert (response.status, response.content_type) == (200, "text/html")
    async with http.get("/", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (307, "/docs")


async def test_answers_about_health_are_as_documented(worker: Worker, http: aiohttp.ClientSession) -> None:
    assert await ask(http, "GET", "/health", 200) == []
    worker.recovered = False
    worker.health._recovered = False
    assert await ask(http, "GET", "/ready", 503) == []


async def test_answers_to_hooks_are_as_documented(worker: Worker, http: aiohttp.ClientSession) -> None:
    worker.analysis = examples.analysis()
    for path, bodies in HOOK_ROUTES.items():
        for body in bodies.values():
            assert await ask(http, "POST", path, 200, json=body) == []
    assert await ask(http, "POST", HOOKS, 200, json=START, params={"dry_run": "true"}) == []
    worker.analysis = ValueError("no")
    assert await ask(http, "POST", HOOKS, 200, json=START) == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"{"),
        (413, b" " * (MAX_BODY_BYTES + 1)),
        (422, b"{}"),
        (422, b'{"hook_type": "nope", "service_info": {}}'),
    ],
)
async def test_refusals_are_as_documented(http: aiohttp.ClientSession, status: int, body: bytes) -> None:
    assert await ask(http, "POST", HOOKS, status, data=body, headers={"Content-Type": "application/json"}) == []


async def test_an_unsupported_type_and_a_broker_that_is_away_are_as_documented(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    assert await ask(http, "POST", HOOKS, 415, data=b"{}", headers={"Content-Type": "text/plain"}) == []
    worker.refusal = ServiceUnavailable("Kafka is away")
    assert await ask(http, "POST", HOOKS, 503, json=START) == []


@pytest.mark.parametrize("name", sorted(page_files()))
async def test_a_file_of_the_page_is_served_as_what_it_is(http: aiohttp.ClientSession, name: str) -> None:
    async with http.get(f"/static/{name}") as response:
        assert response.status == 200
        assert response.content_type == MEDIA_TYPES[name.rpartition(".")[2]]
        assert await response.read() == page_files()[name]


@pytest.mark.parametrize("path", ["/docs", "/static/docs.js", "/openapi.json", "/asyncapi.json"])
async def test_the_page_may_load_its_own_files_only(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as response:
        policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["nope.js", "..%2Fapi%2Fopenapi.py", "docs.html%00"])
async def test_no_other_file_is_served(http: aiohttp.ClientSession, name: str) -> None:
    async with http.get(f"/static/{name}") as response:
        assert response.status == 404


async def test_conventions_9_documents_are_open_to_all_and_what_is_closed_answers_as_documented(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    keys = [{"id": "reader", "sha256": hashlib.sha256(b"reader").hexdigest(), "scopes": ["intelligence:read"]}]
    (tmp_path / "keys.json").write_bytes(orjson.dumps(keys))
    worker = await start_worker(AUTH_ENABLED="true", BRIDGE_API_KEYS_FILE=tmp_path / "keys.json")
    async with aiohttp.ClientSession(worker.url) as http:
        for path in ("/docs", "/static/docs.js", "/asyncapi.json", "/"):
            async with http.get(path) as response:
                assert response.status == 200, path
        assert {} not in (await fetch(http, "/openapi.json"))["paths"][HOOKS]["post"]["security"]
        assert await ask(http, "POST", HOOKS, 401, json=START) == []
        assert await ask(http, "POST", HOOKS, 403, json=START, headers={"X-API-Key": "reader"}) == []


async def test_conventions_5_a_key_that_comes_again_is_answered_as_documented(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    worker.analysis = examples.analysis()
    headers = {"Idempotency-Key": "k-1"}
    document = await fetch(http, "/openapi.json")
    documented = document["paths"][HOOKS]["post"]["responses"]["200"]["headers"]
    for _ in range(2):
        assert await ask(http, "POST", HOOKS, 200, json=START, headers=headers) == []
    async with http.post(HOOKS, json=START, headers=headers) as response:
        assert {"Idempotency-Replayed", "X-Request-ID", "X-Correlation-ID", "traceparent"} <= set(response.headers)
        assert {"Idempotency-Replayed", "X-Request-ID", "X-Correlation-ID", "traceparent"} == set(documented)
    assert await ask(http, "POST", HOOKS, 422, json={**START, "other": 1}, headers=headers) == []


async def test_conventions_5_a_limit_that_is_reached_answers_as_documented(start_worker: StartWorker) -> None:
    worker = await start_worker(RATE_LIMIT_PER_MINUTE=2)
    async with aiohttp.ClientSession(worker.url) as http:
        document = await fetch(http, "/openapi.json")
        async with http.post(HOOKS, json=START):
            pass
        async with http.post(HOOKS, json=START) as response:
            answer = orjson.loads(await response.read())
            assert answer_problems(document, "POST", HOOKS, response.status, answer) == []
            assert (response.status, answer["error"]["code"]) == (429, "RATE_LIMITED")
