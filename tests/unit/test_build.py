"""Which build runs, as `/admin/info` tells it: from what was written when it was built, or how it was installed."""

import json
import subprocess
from pathlib import Path

import pytest

from bridge_app.build import Build, build_of

ROOT = Path(__file__).parents[2]
COMMIT = "2371d9f8a1c4e0b7d6f5a4c3b2e1d0f9a8b7c6d5"


def test_what_was_written_down_wins_over_how_it_was_installed() -> None:
    written = json.dumps({"build_time": "2024-01-15T10:30:00Z", "git_commit": COMMIT})
    origin = json.dumps({"url": "https://example.org/bridge.git", "vcs_info": {"vcs": "git", "commit_id": "other"}})
    assert build_of(written, origin) == Build("2024-01-15T10:30:00.000000Z", COMMIT)


def test_without_it_the_commit_is_that_of_the_installation() -> None:
    origin = json.dumps({"url": "https://example.org/bridge.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}})
    assert build_of(None, origin) == Build(None, COMMIT)


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        (None, None),
        ("", None),
        ("[]", None),
        ('{"build_time": "yesterday", "git_commit": 7}', None),
        (None, '{"dir_info": {"editable": true}, "url": "file:///srv/bridge"}'),
        (None, '{"vcs_info": []}'),
        (None, "no JSON"),
    ],
)
def test_what_nobody_has_written_is_not_known(written: str | None, origin: str | None) -> None:
    assert build_of(written, origin) == Build()


def test_make_build_info_writes_what_is_read(tmp_path: Path) -> None:
    file = tmp_path / "build.json"
    subprocess.run(["make", "--silent", "build-info", f"BUILD_INFO={file}"], cwd=ROOT, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    found = build_of(file.read_text(), None)
    assert found.commit == head.stdout.strip()
    assert found.time is not None
