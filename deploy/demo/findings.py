"""What the bridge is expected to find in the fleet, and how it recognised each pattern, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

Pattern = dict[str, Any]

#: What the fleet of the demo shows, as `kind_of` names it.
EXPECTED: Final = frozenset(
    {
        "service_initialization",
        "startup_performance",
        "service_communication",
        "tool_sequence",
        "performance_anomaly",
        "failure_pattern error_rate",
        "failure_pattern restart_loop",
    }
)


def counted(hooks: int) -> str:
    """Return a number of hooks in words."""
    return "1 hook" if hooks == 1 else f"{hooks} hooks"


def kind_of(pattern: Pattern) -> str:
    """Return the type of a pattern, with its kind where failures differ."""
    if pattern["pattern_type"] != "failure_pattern":
        return str(pattern["pattern_type"])
    return f"failure_pattern {pattern['evidence']['kind']}"


def missing(patterns: Iterable[Pattern]) -> list[str]:
    """Return what was not found yet; an anomaly counts when it is over, as payment recovers."""
    found = {
        kind_of(one) for one in patterns if one["pattern_type"] != "performance_anomaly" or one["status"] == "resolved"
    }
    return sorted(EXPECTED - found)


def told(patterns: Iterable[Pattern]) -> Iterator[str]:
    """Yield the lines that tell of patterns: what was found, how sure, and how it was recognised."""
    for one in sorted(patterns, key=lambda pattern: (kind_of(pattern), pattern["description"])):
        severity = f", {one['severity']}" if one["severity"] else ""
        yield f"{kind_of(one)}: {one['status']}{severity}, confidence {one['confidence_score']}"
        yield f"    {one['description']}"
        yield f"    recognised: {_how(one)}"


def _how(pattern: Pattern) -> str:
    evidence = pattern["evidence"]
    match kind_of(pattern):
        case "service_initialization":
            return f"every start is reported; this is number {evidence['starts_seen']} of the service"
        case "startup_performance":
            slower = f", slower and slower (Mann-Kendall test, p = {evidence['trend_p']})"
            return (
                f"{evidence['services']} services started within {evidence['window_seconds']:g} s, in about "
                f"{evidence['median_ms']:g} ms{slower if evidence['trend'] == 'rising' else ''}"
            )
        case "service_communication":
            return f"{evidence['calls']} executions name both services"
        case "tool_sequence":
            share = f"{evidence['count']} of {evidence['total']}"
            return f"{share} uses of the first tool were followed within a minute; lower Wilson bound of that share"
        case "performance_anomaly":
            return _spike(evidence["explanation"])
        case "performance_trend":
            return f"the cumulative sum of the logarithms has left its band; the median is {evidence['ratio']} times"
        case "failure_pattern error_rate":
            return (
                f"{evidence['failure_rate']:.0%} of the last {evidence['sample_size']} outcomes failed, "
                f"{evidence['base_failure_rate']:.0%} of those before ({evidence['method']})"
            )
        case "failure_pattern restart_loop":
            return f"one instance started {evidence['starts']} times within {evidence['window_seconds']} s"
    return "by another program"


def _spike(explanation: dict[str, Any]) -> str:
    rule = {
        "ratio_rule": "three times the median while the spread is unknown, and at least 1.5 times the largest",
        "modified_z_score": "median + 3.5 deviations, and at least 1.5 times the largest",
    }.get(explanation["rule"], explanation["rule"])
    return (
        f"{explanation['metric']} {explanation['observed']:g} reached the limit {explanation['upper_limit']:g} "
        f"({rule}, of {explanation['sample_count']} values)"
    )
