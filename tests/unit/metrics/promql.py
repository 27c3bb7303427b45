"""Which metrics and labels an expression of PromQL asks for: as much of the language as dashboard and alerts use."""

import re
from typing import NamedTuple

FUNCTIONS = {"sum", "max", "min", "rate", "increase", "histogram_quantile", "by", "or", "unless", "offset"}
#: What Prometheus adds to every series it scrapes, and a histogram to its buckets.
ADDED = {"instance", "job"}
SUFFIXES = ("_bucket", "_sum", "_count")

_STRING = re.compile(r'"[^"]*"')
_SELECTOR = re.compile(r"\b([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\bby\s*\(([^)]*)\)")
_DURATION = re.compile(r"\[[^]]*\]|\boffset \w+")


class Selector(NamedTuple):
    """One metric that is asked for, and the labels it is selected by."""

    metric: str
    labels: frozenset[str]


def selectors(expression: str) -> list[Selector]:
    """Return what an expression selects, in order."""
    bare = _GROUPING.sub("", _DURATION.sub("", _STRING.sub('""', expression)))
    found = _SELECTOR.findall(bare)
    return [Selector(name, frozenset(_MATCHER.findall(matchers))) for name, matchers in found if name not in FUNCTIONS]


def groupings(expression: str) -> set[str]:
    """Return every label that an expression groups by."""
    return {label.strip() for labels in _GROUPING.findall(expression) for label in labels.split(",")}


def is_balanced(expression: str) -> bool:
    """Tell whether every bracket is closed."""
    bare = _STRING.sub("", expression)
    return all(bare.count(opened) == bare.count(closed) for opened, closed in ("()", "[]", "{}"))
