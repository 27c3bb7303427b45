"""The running worker describes itself, and keeps to its description (conventions §5)."""

from typing import Any

import orjson
from openapi_spec_validator import validate

from bridge_app.web.api import hook_bodies
from tests.e2e.bridge import Bridge
from tests.unit.web.documented import answer_problems, references, resolve

HOOK_ROUTES = {
    "/hooks/service/lifecycle": hook_bodies.LIFECYCLE_BODIES,
    "/hooks/tool/registration": hook_bodies.REGISTRATION_BODIES,
    "/hooks/tool/execution": hook_bodies.EXECUTION_BODIES,
}


async def document(bridge: Bridge, path: str) -> dict[str, Any]:
    async with bridge.session.get(bridge.url + path) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        found: dict[str, Any] = orjson.loads(await response.read())
        return found


async def test_conventions_the_documents_of_the_running_worker_are_valid(bridge: Bridge) -> None:
    openapi, asyncapi = await document(bridge, "/openapi.json"), await document(bridge, "/asyncapi.json")
    validate(openapi)
    for one in (openapi, asyncapi):
        for reference in references(one):
            resolve(one, reference)
    addresses = {channel["address"] for channel in asyncapi["channels"].values()}
    assert bridge.topic("hooks.service_lifecycle") in addresses


async def test_conventions_every_get_answers_as_documented(bridge: Bridge) -> None:
    openapi = await document(bridge, "/openapi.json")
    asked = 0
    for path, item in openapi["paths"].items():
        if "get" not in item or "{" in path:
            continue
        async with bridge.session.get(bridge.url + path, allow_redirects=False) as response:
            documented = item["get"]["responses"][str(response.status)]
            body = await response.read()
            if "content" not in documented:
                assert (response.status, body) == (307, b"")
            elif "Metadata" in str(documented):
                assert answer_problems(openapi, "GET", path, response.status, orjson.loads(body)) == []
            else:
                assert response.content_type in documented["content"]
            asked += 1
    assert asked > 5


async def test_conventions_hooks_patterns_and_resets_answer_as_documented(bridge: Bridge) -> None:
    openapi = await document(bridge, "/openapi.json")
    for path, bodies in HOOK_ROUTES.items():
        for body in bodies.values():
            status, answer = await bridge.post(path, body)
            assert (status, answer_problems(openapi, "POST", path, status, answer)) == (200, [])

    async def found() -> str | None:
        _, answer = await bridge.get("/intelligence/patterns?service=shop")
        return answer["data"]["patterns"][0]["pattern_id"] if answer["data"]["patterns"] else None

    path = f"/intelligence/patterns/{await bridge.eventually(found, within=30)}"
    status, answer = await bridge.get(path)
    assert (status, answer_problems(openapi, "GET", path, status, answer)) == (200, [])
    status, answer = await bridge.get("/intelligence/patterns")
    assert answer_problems(openapi, "GET", "/intelligence/patterns", status, answer) == []
    status, answer = await bridge.post("/circuit-breaker/reset/stamping", {})
    assert (status, answer_problems(openapi, "POST", "/circuit-breaker/reset/stamping", status, answer)) == (200, [])


async def test_conventions_the_page_is_served_with_all_its_files(bridge: Bridge) -> None:
    async with bridge.session.get(bridge.url + "/") as response:
        assert (response.status, response.url.path, response.content_type) == (200, "/docs", "text/html")
        text = await response.text()
    for name in ("docs.css", "docs.js", "docs.svg"):
        assert f'"static/{name}"' in text
        async with bridge.session.get(f"{bridge.url}/static/{name}") as response:
            assert response.status == 200
