"""How much is kept, and how fast it is shown (intelligence.md §1, Acceptance 19)."""

import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bridge import Bridge, execution, lifecycle
from tests.e2e.deployment import PARTITIONS, deployment

PORT = 27106
TOOLS = 10_000
AT_ONCE = 1000
REQUESTS = 200
SLOWEST_MS = 50
MAX_SERIES = 50
TTL_HOURS = 0.01


@pytest.fixture
async def roomy(stack: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Bridge]:
    """A bridge of its own with the limits that are the default."""
    async with deployment(stack, tmp_path, PORT) as found:
        found.worker.start()
        await found.eventually(found.is_ready, within=30)
        yield found
        assert await found.worker.terminate() == 0


@pytest.fixture
async def narrow(stack: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Bridge]:
    """A bridge of its own that keeps little, and not for long."""
    limits = {"INTELLIGENCE_MAX_SERIES": str(MAX_SERIES), "INTELLIGENCE_SERIES_TTL_HOURS": str(TTL_HOURS)}
    async with deployment(stack, tmp_path, PORT, INTELLIGENCE_STARTUP_CONFIRM_SECONDS="1", **limits) as found:
        found.worker.start()
        await found.eventually(found.is_ready, within=30)
        yield found
        assert await found.worker.terminate() == 0


async def report(bridge: Bridge, bodies: list[dict[str, Any]]) -> None:
    for first in range(0, len(bodies), AT_ONCE):
        status, answer = await bridge.post("/hooks/batch", bodies[first : first + AT_ONCE])
        assert (status, answer["data"]["rejected"]) == (200, 0)


async def known_tools(bridge: Bridge) -> set[str]:
    """Return the tools of which the worker has a baseline."""
    _, answer = await bridge.get("/intelligence/baselines")
    return {one["series"].split("|")[1] for one in answer["data"]["baselines"] if one["series"].startswith("exec|")}


async def took_ms(bridge: Bridge, path: str) -> float:
    started = time.perf_counter()
    status, _ = await bridge.get(path)
    assert status == 200
    return (time.perf_counter() - started) * 1000


@pytest.mark.timeout(600)
async def test_intelligence_19_ten_thousand_tools_are_kept_and_the_list_is_fast(roomy: Bridge) -> None:
    """The times are compared with those of a route that does nothing: the machine may be busy."""
    await report(roomy, [execution(f"tool-{number}", 100) for number in range(TOOLS)])

    async def all_known() -> bool:
        return len(await known_tools(roomy)) == TOOLS

    await roomy.eventually(all_known, within=120)
    times: dict[str, list[float]] = {"/intelligence/patterns": [], "/ready": []}
    for _ in range(REQUESTS):
        for path, found in times.items():
            found.append(await took_ms(roomy, path))
    shown, nothing = (sorted(found)[REQUESTS * 95 // 100] for found in times.values())
    assert shown <= nothing + SLOWEST_MS


@pytest.mark.timeout(600)
async def test_series_that_are_too_many_or_silent_are_dropped_and_revisions_go_on(narrow: Bridge) -> None:
    await report(narrow, [lifecycle("comes-back", instance_id="1", startup_time_ms=1000)])
    await narrow.eventually(lambda: revision(narrow, 2), within=20)
    await report(narrow, [execution(f"tool-{number}", 100) for number in range(AT_ONCE)])
    await report(narrow, [execution("the-last", 100)])

    async def within_limits() -> bool:
        tools = await known_tools(narrow)
        return "the-last" in tools and len(tools) == MAX_SERIES * int(PARTITIONS)

    await narrow.eventually(within_limits, within=30)

    async def nothing_known() -> bool:
        _, answer = await narrow.get("/intelligence/baselines")
        return bool(answer["data"]["baselines"] == [])

    await narrow.eventually(nothing_known, within=TTL_HOURS * 3600 + 60)
    await report(narrow, [lifecycle("comes-back", instance_id="2", startup_time_ms=9000)])
    row = await narrow.eventually(lambda: revision(narrow, 4), within=20)
    assert (row["confidence_score"], row["starts"]) == (0.6667, 1)  # its past is forgotten, its number is not


async def revision(bridge: Bridge, wanted: int) -> Any:
    return await bridge.postgres.fetchrow(
        "SELECT confidence_score, (pattern_data -> 'evidence' ->> 'starts_seen')::integer AS starts "
        "FROM intelligence_patterns WHERE pattern_data -> 'affected_services' ? 'comes-back' "
        "AND pattern_type = 'service_initialization' AND revision = $1",
        wanted,
    )
