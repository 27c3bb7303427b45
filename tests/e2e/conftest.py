"""One bridge for all end-to-end tests: a worker as `faust -A bridge_app worker` runs it, on the real services."""

from collections.abc import AsyncIterator, Mapping

import pytest

from tests.e2e.bridge import Bridge
from tests.e2e.deployment import deployment

PORT = 27066


@pytest.fixture(scope="session")
async def bridge(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """Return a bridge that is ready."""
    async with deployment(stack, tmp_path_factory.mktemp("e2e"), PORT) as found:
        found.worker.start()
        await found.eventually(found.is_ready, within=30)
        yield found
        assert await found.worker.terminate() == 0, found.worker.log
