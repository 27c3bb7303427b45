from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder outside pytest's own: every pytest that starts closes the folder above those to other users, and with
    it to a PostgreSQL that root runs as somebody else.
    """
    with tempfile.TemporaryDirectory(prefix="bridge-stack-") as folder:
        yield Path(folder)
