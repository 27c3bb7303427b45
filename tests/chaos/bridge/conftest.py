"""The bridge as a whole, on the stack's services."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment


@pytest.fixture
async def deployment(stack: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment without workers yet."""
    async with Deployment(tmp_path, stack) as found:
        yield found
