from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.services import open_folder


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that a PostgreSQL of another user can reach, in place of pytest's."""
    with open_folder() as folder:
        yield folder
