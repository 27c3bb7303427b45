"""docs/http.md and docs/security.md say what the code does."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bridge_app.domain.access import is_open, required_scope
from bridge_app.domain.credentials import AREAS, ROLES, find_api_key, read_api_keys
from bridge_app.domain.idempotency import MOST_BYTES
from bridge_app.settings import Settings
from bridge_app.web.api.failures import tree

DOCS = Path(__file__).parents[3] / "docs"


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = (DOCS / page).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_lists_every_code() -> None:
    told = {(code.strip("`"), int(status), again == "yes") for status, code, again, _ in rows("http.md", "Codes")}
    assert told == {(error.code, error.status, error.retryable) for error in tree()}


def test_the_limits_are_those_of_the_settings(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    page = (DOCS / "http.md").read_text()

    assert f"{settings.http_max_in_flight} (`HTTP_MAX_IN_FLIGHT`)" in page
    assert f"{settings.hook_workers * 100} (`HOOK_WORKERS` × 100)" in page
    assert f"`IDEMPOTENCY_TTL_HOURS` ({settings.idempotency_ttl_hours:g})" in page
    assert f"`IDEMPOTENCY_MAX_KEYS` ({settings.idempotency_max_keys})" in page
    assert f"{MOST_BYTES // 1024**2} MiB of answers" in page
    assert settings.http_max_body_bytes == 1024**2


def test_the_page_names_every_area_and_role() -> None:
    areas = rows("security.md", "Scopes and roles")
    named = re.findall(r"`([a-z]+)`", " ".join(row[0] for row in areas))
    assert set(named) == {*AREAS, *ROLES, "role"} - {"role"}


def test_the_commands_make_a_key(tmp_path: Path) -> None:
    block = (DOCS / "security.md").read_text().split("```")[1].replace("python3", sys.executable)

    subprocess.run(["bash", "-ec", block], cwd=tmp_path, check=True)

    keys = read_api_keys((tmp_path / "keys.json").read_bytes())
    found = find_api_key(keys, (tmp_path / "shop.key").read_text().strip())
    assert found is not None
    assert (found.credential.id, set(found.credential.scopes)) == ("shop", {"hooks:write"})


def test_every_route_of_a_worker_is_open_or_in_an_area() -> None:
    program = "from bridge_app.worker import app; print(*app.web.views)"
    done = subprocess.run([sys.executable, "-c", program], cwd=DOCS.parent, env={}, check=True, capture_output=True)
    paths = done.stdout.decode().split()

    forgotten = [
        path
        for path in paths
        if not is_open(path) and not path.startswith("/admin") and required_scope("GET", path) == "admin:read"
    ]
    assert "/hooks/service/lifecycle" in paths
    assert forgotten == []
