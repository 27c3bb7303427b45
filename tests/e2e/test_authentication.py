"""Authentication on a running worker (conventions §9)."""

import hashlib
from pathlib import Path

import orjson
import pytest

from tests.e2e.bridge import Bridge, lifecycle
from tests.lab.worker import Worker

ROUTE = "/hooks/service/lifecycle"
KEYS = {"writer": ["hooks:write"], "reader": ["intelligence:read"]}


def write_keys(folder: Path) -> str:
    """Write a file of keys whose texts are their ids; return its path."""
    path = folder / "keys.json"
    entries = [
        {"id": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": scopes, "tenant": "acme"}
        for name, scopes in KEYS.items()
    ]
    path.write_bytes(orjson.dumps(entries))
    return str(path)


async def test_conventions_16_with_authentication_a_key_is_needed_and_its_scope(bridge: Bridge, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{bridge.port + 1}"
    hook = lifecycle("authenticated", instance_id="i")
    async with bridge.second_worker(
        AUTH_ENABLED="true", BRIDGE_API_KEYS_FILE=write_keys(tmp_path), BRIDGE_WEB_HOST="0.0.0.0"
    ) as worker:
        found = []
        for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": "reader"}, {"X-API-Key": "writer"}):
            async with bridge.session.post(url + ROUTE, json=hook, headers=headers) as response:
                found.append(response.status)
                answer = await response.json()
        async with bridge.session.get(f"{url}/health") as response:
            found.append(response.status)
    assert found == [401, 401, 403, 200, 200]
    assert "wrong" not in worker.log

    event_id = answer["data"]["hook_id"].removeprefix("hook_")
    query = "SELECT metadata->>'auth_id' FROM event_logs WHERE event_id = $1::uuid"
    assert await bridge.eventually(lambda: bridge.postgres.fetchval(query, event_id), within=10) == "writer"


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"BRIDGE_WEB_HOST": "0.0.0.0"}, "BRIDGE_WEB_HOST=0.0.0.0: without authentication"),
        ({"AUTH_ENABLED": "true", "BRIDGE_API_KEYS_FILE": "{folder}/bad.json"}, "$[0].sha256"),
    ],
)
async def test_conventions_16_a_start_that_would_let_in_anybody_or_nobody_is_refused(
    bridge: Bridge, tmp_path: Path, environ: dict[str, str], line: str
) -> None:
    (tmp_path / "bad.json").write_text('[{"id": "k", "sha256": "plain text", "scopes": []}]')
    given = {name: value.format(folder=tmp_path) for name, value in environ.items()}
    port = {"BRIDGE_WEB_PORT": str(bridge.port + 5)}

    worker = Worker("refused", "bridge_app", tmp_path, {**bridge.environ, **port}, options=()).start(**given)

    assert await worker.exit_code() == 2
    (said,) = worker.log.splitlines()
    assert line in said
    assert "plain text" not in said
