"""What is found while Postgres is away (intelligence.md, Acceptance 21)."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.local.postgres import Postgres
from tests.e2e.bridge import Bridge, execution
from tests.e2e.deployment import deployment
from tests.e2e.test_intelligence_executions import pattern, run
from tests.lab.services import OwnServer

PORT = 27106
LIST = "/intelligence/patterns?pattern_type=performance_anomaly&tool=outage"


@pytest.fixture
async def apart(stack: Mapping[str, str], own_postgres: OwnServer[Postgres], tmp_path: Path) -> AsyncIterator[Bridge]:
    """A bridge with a PostgreSQL for itself; both run."""
    await own_postgres.start()
    async with deployment({**stack, **own_postgres.environ}, tmp_path, PORT) as found:
        found.worker.start()
        await found.eventually(found.is_ready, within=30)
        yield found
        assert await found.worker.terminate() == 0


async def test_intelligence_21_an_anomaly_is_found_without_postgres_and_stored_when_it_is_back(
    apart: Bridge, own_postgres: OwnServer[Postgres]
) -> None:
    bridge = apart
    await own_postgres.stop()
    usual = [execution("outage", ms, cpu=cpu, memory=mb) for ms, cpu, mb in ((150, 30, 100), (160, 32, 105))]
    last = [execution("outage", 170, cpu=34, memory=110), execution("outage", 2500, cpu=85, memory=450)]
    await run(bridge, [*usual, *last])
    found = await pattern(bridge, "pattern_type=performance_anomaly&tool=outage", severity="critical")
    assert (found["confidence_score"], found["evidence"]["anomaly_type"]) == (0.9616, "response_time_spike")
    status, answer = await bridge.get(f"{LIST}&time_window=48")
    assert (status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")

    await own_postgres.start()

    async def stored() -> Any:
        try:
            return await bridge.postgres.fetch(
                "SELECT pattern_id::text FROM intelligence_patterns WHERE pattern_type = 'performance_anomaly'"
            )
        except OSError:  # not yet
            return None

    [row] = await bridge.eventually(stored, within=60)
    assert f"pattern_{row['pattern_id']}" == found["pattern_id"]

    async def listed() -> Any:
        status, answer = await bridge.get(f"{LIST}&time_window=48")
        return answer["data"]["patterns"] if status == 200 else None

    [shown] = await bridge.eventually(listed, within=60)
    assert shown["pattern_id"] == found["pattern_id"]
