"""Idempotency keys while the broker is away (conventions §5): their records go to the outbox with their events."""

import aiohttp
import orjson
import pytest

from tests.integration.outbox.outage import PORT, ROUTE, Outage, numbers
from tests.lab.waiting import eventually

pytestmark = pytest.mark.timeout(240)

BODY = orjson.dumps(
    {
        "hook_type": "service_started",
        "service_info": {"name": "orders", "version": "1", "instance_id": "i", "process_id": 7},
    }
)


async def post(body: bytes = BODY) -> tuple[int, dict[str, object], bool]:
    """POST with the key of this test; return status, answer and whether it says that it is a repetition."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": "outage"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{PORT}{ROUTE}", data=body, headers=headers) as response,
    ):
        return response.status, orjson.loads(await response.read()), "Idempotency-Replayed" in response.headers


@pytest.mark.chaos_long
@pytest.mark.timeout(900)
async def test_conventions_10_a_key_has_one_effect_over_an_outage_and_a_kill(outage: Outage) -> None:
    async def is_replayed() -> bool:
        return await outage.is_ready() and await outage.pending() == 0

    await outage.kafka.start()
    await outage.start()
    await outage.kafka.stop()

    status, first, is_repeated = await post()
    assert (status, is_repeated) == (200, False)
    assert await post() == (200, first, True)
    assert (await post(BODY + b" "))[0] == 422

    await outage.worker.kill()
    outage.worker.start()
    await eventually(lambda: outage.answers("/health"), "the worker serves HTTP")
    status, anew, is_repeated = await post()
    assert (status, is_repeated) == (200, False)
    assert anew["data"]["hook_id"] == first["data"]["hook_id"]  # type: ignore[index]

    await outage.kafka.start()
    await eventually(is_replayed, "the outbox is empty and the views are read", seconds=90)
    assert await post() == (200, first, True)
    assert numbers(await outage.events(1)) == [7]
