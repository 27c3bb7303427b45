"""Which build of the bridge runs: from what was written down when it was built, or from how it was installed."""

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from bridge_app.timestamps import format_us, parse_us

log = structlog.get_logger(__name__)

DISTRIBUTION = "omninode-bridge"
#: Written by `make build-info`, beside this module; a package or an image takes it along.
FILE = Path(__file__).with_name("build.json")
#: Where pip notes that it installed from a repository (PEP 610).
ORIGIN = "direct_url.json"


class Build(NamedTuple):
    """When it was built (RFC 3339) and from which commit; None what nobody has written down."""

    time: str | None = None
    commit: str | None = None


@cache
def build() -> Build:
    """Return the build of this process."""
    return build_of(_text_of(FILE), _origin())


def build_of(written: str | None, origin: str | None) -> Build:
    """Return a build from the text of `build.json`, else of pip's `direct_url.json`; either may be missing or wrong."""
    if written is not None:
        found = _parsed(written)
        return Build(_time(found.get("build_time")), _commit(found.get("git_commit")))
    source = {} if origin is None else _parsed(origin).get("vcs_info")
    return Build(None, _commit(source.get("commit_id"))) if isinstance(source, dict) else Build()


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _origin() -> str | None:
    try:
        return distribution(DISTRIBUTION).read_text(ORIGIN)
    except PackageNotFoundError:
        return None


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        log.warning("build_unknown", error=str(error))
        return {}
    return found if isinstance(found, dict) else {}


def _time(value: Any) -> str | None:
    try:
        return format_us(parse_us(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _commit(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
