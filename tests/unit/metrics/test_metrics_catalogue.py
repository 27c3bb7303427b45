"""The catalogue keeps the form of conventions §7, and every worker has its own values."""

import re
from pathlib import Path

import pytest

from bridge_app.metrics import Description, Metrics, descriptions

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"


@pytest.mark.parametrize("line", descriptions(), ids=lambda line: line.name)
def test_a_name_says_kind_and_unit(line: Description) -> None:
    assert re.fullmatch(r"(bridge|circuit_breaker|hooks)_[a-z_]+", line.name)
    assert line.name.endswith("_total") == (line.kind == "counter")
    if line.kind == "histogram":
        assert line.name.endswith(("_seconds", "_size"))
    assert line.help


def test_several_workers_fit_in_one_process() -> None:
    one, other = Metrics(), Metrics()
    one.rebalances.inc()
    assert one.registry.get_sample_value("bridge_rebalances_total") == 1
    assert other.registry.get_sample_value("bridge_rebalances_total") == 0


def test_the_documentation_lists_every_metric_as_it_is() -> None:
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{line.name}` | {line.kind} | {', '.join(line.labels) or '–'} | {line.help} |" for line in descriptions()
    ]
