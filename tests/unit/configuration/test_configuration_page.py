"""docs/runtime-configuration.md lists the keys as they are."""

import re
from pathlib import Path

from bridge_app.domain.configuration.keys import KEYS

PAGE = Path(__file__).parents[3] / "docs" / "runtime-configuration.md"


def test_the_page_lists_every_key() -> None:
    form = r"^\| `([a-z-]+\.[a-z_]+)` \| `([A-Z_]+)` \| (.+) \| (.+) \|$"
    rows = re.findall(form, PAGE.read_text(), re.MULTILINE)
    assert rows == [(key.dotted, key.variable, key.kind.expected, key.effect) for key in KEYS]
