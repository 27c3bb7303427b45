"""How much a worker takes at once, and from one caller, over HTTP (conventions §5, resilience §6)."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bridge_app.web.limits import Turns
from tests.lab.waiting import eventually
from tests.unit.web.asking import ROUTE
from tests.unit.web.conftest import StartWorker

START = {"hook_type": "service_started", "service_info": {"name": "s", "version": "1", "instance_id": "i"}}


async def post(http: aiohttp.ClientSession, **options: Any) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
    async with http.post(ROUTE, **{"json": START, **options}) as response:
        return response, await response.json()


async def test_one_request_more_than_the_rate_is_429_until_time_has_passed(start_worker: StartWorker) -> None:
    worker = await start_worker(RATE_LIMIT_PER_MINUTE=3)
    async with aiohttp.ClientSession(worker.url) as http:
        assert [(await post(http))[0].status for _ in range(3)] == [200] * 3
        response, answer = await post(http, data=b"no JSON", json=None)
        assert (response.status, answer["error"]["code"]) == (429, "RATE_LIMITED")
        assert response.headers["Retry-After"] == "20"
        assert answer["error"]["details"] == {"limit_per_minute": 3}

        worker.clock.seconds += 20
        assert [(await post(http))[0].status for _ in range(2)] == [200, 429]
        async with http.get("/health") as health:
            assert health.status == 200
    assert len(worker.published) == 4


async def test_the_rate_is_counted_per_credential(start_worker: StartWorker, tmp_path: Path) -> None:
    entries = [
        {"id": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": ["hooks:write"]} for name in "ab"
    ]
    (tmp_path / "keys").write_bytes(orjson.dumps(entries))
    worker = await start_worker(RATE_LIMIT_PER_MINUTE=1, AUTH_ENABLED="1", BRIDGE_API_KEYS_FILE=tmp_path / "keys")
    async with aiohttp.ClientSession(worker.url) as http:
        found = [(await post(http, headers={"X-API-Key": name}))[0].status for name in ("a", "b", "a", "b", "wrong")]
    assert found == [200, 200, 429, 429, 401]


async def test_more_requests_than_may_be_in_flight_are_503_and_probes_are_not(start_worker: StartWorker) -> None:
    worker = await start_worker(HTTP_MAX_IN_FLIGHT=2)
    worker.gate.clear()
    async with aiohttp.ClientSession(worker.url) as http:
        handled = [asyncio.create_task(post(http)) for _ in range(2)]
        await eventually(lambda: worker.waiting == 2, "two requests are being handled")

        response, answer = await post(http)
        assert (response.status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert response.headers["Retry-After"] == "1"
        assert answer["error"]["details"] == {"limit": 2}
        for path in ("/health", "/ready"):
            async with http.get(path) as probe:
                assert probe.status == 200

        worker.gate.set()
        assert [(await one)[0].status for one in handled] == [200, 200]
        assert (await post(http))[0].status == 200


async def test_more_hooks_than_may_be_in_flight_wait_and_are_503_after_that(start_worker: StartWorker) -> None:
    worker = await start_worker(most_hooks=1)
    worker.gate.clear()
    async with aiohttp.ClientSession(worker.url) as http:
        first = asyncio.create_task(post(http))
        await eventually(lambda: worker.waiting == 1, "the first is being published")
        response, answer = await post(http)
        assert (response.status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert response.headers["Retry-After"] == "1"
        worker.gate.set()
        assert (await first)[0].status == 200
        assert (await post(http))[0].status == 200


async def test_a_hook_that_gets_its_turn_in_time_is_taken(start_worker: StartWorker) -> None:
    worker = await start_worker(most_hooks=1, wait_seconds=20)
    worker.gate.clear()
    async with aiohttp.ClientSession(worker.url) as http:
        hooks = [asyncio.create_task(post(http)) for _ in range(3)]
        await eventually(lambda: worker.waiting == 1, "the first is being published")
        worker.gate.set()
        assert [(await hook)[0].status for hook in hooks] == [200] * 3


async def test_configuration_1_another_limit_of_hooks_counts_from_the_next_hook_on(start_worker: StartWorker) -> None:
    worker = await start_worker(most_hooks=1, wait_seconds=20)
    worker.gate.clear()
    async with aiohttp.ClientSession(worker.url) as http:
        hooks = [asyncio.create_task(post(http)) for _ in range(2)]
        await eventually(lambda: worker.waiting == 1, "one is being published")
        worker.most_hooks = 3
        hooks.append(asyncio.create_task(post(http)))
        await eventually(lambda: worker.waiting == 3, "the one that waited comes with the next")
        worker.most_hooks = 1
        hooks.append(asyncio.create_task(post(http)))
        assert worker.turns.taken == 3
        worker.gate.set()
        assert [(await hook)[0].status for hook in hooks] == [200] * 4
    assert worker.turns.taken == 0


async def test_who_gives_up_waiting_leaves_no_turn_behind() -> None:
    turns = Turns(lambda: 1, wait_seconds=20)
    async with turns.turn():
        waiting = [asyncio.create_task(_take(turns)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    waiting[1].cancel()  # its turn has come, and it has not noticed yet
    assert isinstance((await asyncio.gather(*waiting, return_exceptions=True))[0], asyncio.CancelledError)
    assert waiting[2].result()
    assert turns.taken == 0


async def _take(turns: Turns) -> bool:
    async with turns.turn():
        return True


async def test_configuration_1_another_rate_limit_counts_at_once_and_fills_the_buckets(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker()
    async with aiohttp.ClientSession(worker.url) as http:
        statuses = []
        for limit in (1, 2, 0):
            worker.live.override({"rate_limit_per_minute": limit})
            statuses.append([(await post(http))[0].status for _ in range(3)])
    assert statuses == [[200, 429, 429], [200, 200, 429], [200, 200, 200]]
