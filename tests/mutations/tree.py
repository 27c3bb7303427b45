"""Copies of the tree, patched. The project itself is never touched."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parents[2]
#: Data, caches, and the virtual environment, which all copies share.
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")


class DoesNotApply(Exception):
    """The patch does not fit the tree any more; the message says where."""


@contextmanager
def copied_tree() -> Iterator[Path]:
    """Copy the project into a temporary folder, which is deleted at the end. Python started there imports the copy."""
    with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "tree"
        shutil.copytree(PROJECT, root, ignore=NOT_COPIED)
        yield root


def apply(patch: Path, root: Path, *, check_only: bool = False) -> None:
    """Apply a patch to a tree, exactly: its lines may have moved, but neither they nor their surroundings changed.

    Raises:
        DoesNotApply: they did.
    """
    options = ["--check"] if check_only else []
    result = subprocess.run(
        ["git", "apply", *options, str(patch.resolve())],
        cwd=root,
        # A tree inside of somebody else's repository is none: git would take the paths from that one's top.
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise DoesNotApply(result.stderr.strip())
