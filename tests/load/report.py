"""Medians, ratios and the Markdown of them."""

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from math import ceil
from pathlib import Path
from statistics import median
from typing import NamedTuple

PACKAGES = ("faust-streaming", "aiokafka", "rocksdict", "uvloop", "msgspec", "quixstreams", "confluent-kafka")


class Sample(NamedTuple):
    """One run: how many events or records, in how many seconds, with how many seconds of CPU."""

    items: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.items / self.seconds


class Goal(NamedTuple):
    """`name` must be at least `factor` × `of`, or at least `factor` items per second when `of` is None."""

    discipline: str
    name: str
    factor: float
    of: str | None = None


Results = dict[str, dict[str, list[Sample]]]
"""Discipline (a column of the report) → contestant → one sample per round."""


def rate(samples: Iterable[Sample]) -> float:
    """Return the median rate per second."""
    return median(sample.rate for sample in samples)


def table(results: Results, *, unit: str, base: str) -> str:
    """Return a Markdown table: a row per contestant, and per discipline its median rate with least and most, the CPU
    time per item, and the ratio to `base`."""
    head = [f"{unit}/s"]
    for discipline in results:
        head += [discipline, f"× {base}", "CPU µs each"]
    names = list(dict.fromkeys(name for contestants in results.values() for name in contestants))
    return markdown([head, *([name, *_cells(results, name, base)] for name in names)])


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of a head and rows; all columns but the first are flush right."""
    head, *body = rows
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile: the least value that so large a share of all does not exceed."""
    ranked = sorted(values)
    return ranked[max(0, ceil(share * len(ranked)) - 1)]


def _cells(results: Results, name: str, base: str) -> Iterable[str]:
    for contestants in results.values():
        samples = contestants[name]
        rates = [sample.rate for sample in samples]
        cpu = median(sample.cpu_seconds / sample.items for sample in samples) * 1e6
        yield f"{median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"
        yield f"{rate(samples) / rate(contestants[base]):.1f}"
        yield f"{cpu:.1f}"


def verdicts(results: Results, goals: Sequence[Goal]) -> str:
    """Return a Markdown list that says of each goal what was reached."""
    return "\n".join(_verdict(results[goal.discipline], goal) for goal in goals)


def _verdict(contestants: dict[str, list[Sample]], goal: Goal) -> str:
    reached = rate(contestants[goal.name])
    if goal.of is None:
        found, wanted = f"{reached:,.0f}/s", f"≥ {goal.factor:,.0f}/s"
    else:
        reached /= rate(contestants[goal.of])
        found, wanted = f"{reached:.1f} × {goal.of}", f"≥ {goal.factor:g} × {goal.of}"
    word = "met" if reached >= goal.factor else "NOT met"
    return f"- {goal.name}, {goal.discipline}: {found}, goal {wanted}: {word}"


def machine() -> str:
    """Return one line about where the numbers come from. The load is that of now: above 0 somebody else is at work."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} × {_processor()}, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"load before the start {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}; {packages}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
