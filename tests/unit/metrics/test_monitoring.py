"""The dashboard and the alerts in deploy/ ask for metrics and labels that there are (docs/metrics.md)."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge_app.metrics import descriptions
from tests.unit.metrics.promql import ADDED, SUFFIXES, Selector, groupings, is_balanced, selectors

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
PROMETHEUS = ROOT / "deploy" / "prometheus" / "prometheus.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "omninode-bridge.json"
#: Made by Prometheus itself for each target.
UP = "up"


def labels_by_name() -> dict[str, set[str]]:
    """Return the labels of every series that a worker shows, by its name."""
    found = {UP: set(ADDED)}
    for one in descriptions():
        names = [one.name] if one.kind != "histogram" else [one.name + suffix for suffix in SUFFIXES]
        for name in names:
            found[name] = {*one.labels, *ADDED, *(["le"] if name.endswith("_bucket") else [])}
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def queries() -> list[tuple[str, str]]:
    """Return every expression of dashboard and alerts with the name of where it stands."""
    shown = [
        (f"{panel['title']} {target['refId']}", target["expr"])
        for panel in panels()
        for target in panel.get("targets", ())
    ]
    return [*((rule["alert"], rule["expr"]) for rule in rules()), *shown]


@pytest.mark.parametrize(("name", "expression"), queries(), ids=lambda text: text if len(text) < 60 else "")
def test_an_expression_asks_for_metrics_and_labels_of_the_catalogue(name: str, expression: str) -> None:
    known = labels_by_name()
    asked = selectors(expression)
    assert asked, name
    assert is_balanced(expression), name
    for metric, labels in asked:
        assert metric in known, f"{name}: there is no metric {metric}"
        assert labels <= known[metric], f"{name}: {metric} has no {sorted(labels - known[metric])}"
    everywhere = set[str]().union(*(known[metric] for metric, _ in asked))
    assert groupings(expression) <= everywhere, name


def test_a_counter_is_shown_as_what_it_grows_by() -> None:
    """A counter alone starts anew with each worker; `unless … offset` asks whether it is there at all."""
    for name, expression in queries():
        for metric in re.findall(r"\w+_total\b", expression.partition(" or (")[0]):
            assert re.search(rf"(rate|increase)\({metric}\b", expression), f"{name}: {metric}"


def test_every_alert_says_what_to_do_on_a_page_that_there_is() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket"), rule
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}, rule
        assert (ROOT / rule["annotations"]["runbook"]).is_file(), rule
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert named <= groupings(rule["expr"]) | ({"instance"} if "up{" in rule["expr"] else set()), rule


def test_prometheus_scrapes_a_worker_and_loads_the_alerts() -> None:
    config = yaml.safe_load(PROMETHEUS.read_text())
    assert [PROMETHEUS.parent / name for name in config["rule_files"]] == [ALERTS]
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "omninode-bridge"
    assert f'up{{job="{job["job_name"]}"}}' in ALERTS.read_text()


def test_the_panels_of_the_dashboard_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels()], 2):
        apart = [one[at] + one[size] <= other[at] or other[at] + other[size] <= one[at] for at, size in ("xw", "yh")]
        assert any(apart), (one, other)


def test_what_an_expression_asks_for_is_read_from_it() -> None:
    expression = 'histogram_quantile(0.9, sum by (le, b) (rate(x_bucket{a=~"y.*{", b!="z"}[5m]))) or up > 2'
    assert selectors(expression) == [Selector("x_bucket", frozenset("ab")), Selector("up", frozenset())]
    assert groupings(expression) == {"le", "b"}
    assert not is_balanced("sum(x")
