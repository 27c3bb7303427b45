"""The formulas of the detectors, with their sources."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import NamedTuple

#: Two durations agree when one is within this share of the other.
AGREEMENT = 0.5
SIGNIFICANCE = 0.05
#: The two-sided 95 % quantile of the normal distribution, as tables have it.
Z_95 = 1.96
#: The normal approximation of Mann-Kendall says nothing about fewer values.
TREND_LEAST = 4


def confidence(chance: float) -> float:
    """Return a confidence: rounded to 4 decimals, in [0, 0.99]."""
    return min(0.99, max(0.0, round(chance, 4)))


def succession(agreed: int, of: int) -> float:
    """Return the confidence after `agreed` of `of` observations agreed: Laplace's rule of succession (1774)."""
    return confidence((agreed + 1) / (of + 2))


def agrees(value: float, reference: float) -> bool:
    """Whether `value` is within ±50 % of `reference`."""
    return reference * (1 - AGREEMENT) <= value <= reference * (1 + AGREEMENT)


def ratio(value: float, reference: float | None) -> float | None:
    """Return value / reference to 4 decimals, None without a reference to divide by."""
    return round(value / reference, 4) if reference else None


def median_deviation(values: Sequence[float]) -> float:
    """Return the median of the distances from the median (MAD), unscaled."""
    middle = median(values)
    return median([abs(value - middle) for value in values])


def nearest_rank(values: Sequence[float], percent: float) -> float:
    """Return a percentile by the nearest-rank method: the smallest value with at least `percent` % at or below it."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(percent / 100 * len(ordered))) - 1]


class Trend(NamedTuple):
    """`direction` is rising, falling or none; `p` None where there were too few values."""

    direction: str
    p: float | None


def trend(values: Sequence[float]) -> Trend:
    """Return the trend of values in order of time, by the Mann-Kendall test (Mann, Econometrica 1945).

    Two-sided, normal approximation with continuity correction, the variance corrected for ties (Kendall 1975).
    """
    n = len(values)
    if n < TREND_LEAST:
        return Trend("none", None)
    s = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = [values.count(value) for value in set(values)]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if s == 0 or variance == 0:
        return Trend("none", 1.0)
    z = (abs(s) - 1) / math.sqrt(variance)
    p = math.erfc(z / math.sqrt(2))
    if p > SIGNIFICANCE:
        return Trend("none", round(p, 4))
    return Trend("rising" if s > 0 else "falling", round(p, 4))


def superiority(later: Sequence[float], earlier: Sequence[float]) -> float:
    """Return the share of pairs in which the later value exceeds the earlier one, ties counting half.

    It is U / (n·m) of the rank test of Mann and Whitney (Annals of Mathematical Statistics 1947).
    """
    ordered = sorted(earlier)
    wins = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in later)
    return wins / (2 * len(later) * len(ordered))


def fisher_greater(failures: int, of: int, base_failures: int, base_of: int) -> float:
    """Return how likely at least so many of all failures fall among the first `of`, if both groups are alike.

    The one-sided exact test of Fisher (Journal of the Royal Statistical Society 1922).
    """
    total, all_failures = of + base_of, failures + base_failures
    ways = math.comb(total, of)
    most = min(of, all_failures)
    found = sum(
        math.comb(all_failures, among) * math.comb(total - all_failures, of - among)
        for among in range(failures, most + 1)
    )
    return found / ways


def wilson_lower(hits: int, of: int) -> float:
    """Return the lower bound of the 95 % interval of a share (Wilson, Journal of the American Statistical Association
    1927)."""
    z = Z_95
    share = hits / of
    middle = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - spread) / (1 + z * z / of)
