"""Which services of a window started in about the same time (§4.2)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from operator import attrgetter
from statistics import median
from typing import NamedTuple

import msgspec

from bridge_app.domain.intelligence.measures import AGREEMENT, agrees, succession
from bridge_app.events.intelligence import Millis

LEAST_SERVICES = 3


class TimedStart(msgspec.Struct, array_like=True, frozen=True):
    """One start, as others are compared with it; `steps` are the slowest, each with its duration in ms."""

    time_us: int
    service: str
    startup_time_ms: Millis
    steps: tuple[tuple[str, Millis], ...]


_time_us = attrgetter("time_us")


class Group(NamedTuple):
    """The services of a window that form a group, and the others; both in the order of their starts."""

    members: list[TimedStart]
    others: list[TimedStart]

    @property
    def confidence(self) -> float:
        """(a+1)/(a+2) for a services."""
        return succession(len(self.members), len(self.members))


def latest_per_service(starts: Iterable[TimedStart], after_us: int) -> list[TimedStart]:
    """Return each service's latest start later than `after_us`, in order of time; of equal times the later comer."""
    return sorted(_latest(starts, after_us).values(), key=_time_us)


def earliest_latest_us(starts: Iterable[TimedStart], after_us: int) -> int | None:
    """Return the time of the first of the starts that `latest_per_service` returns, None when there is none."""
    return min(map(_time_us, _latest(starts, after_us).values()), default=None)


def find_group(starts: list[TimedStart]) -> Group | None:
    """Return the largest set of services whose times lie within ±50 % of one member's time.

    Of equally large ones it is that around the time nearest to the median of all, then around the smaller time. None
    when it has fewer than 3 services or fewer than half of all.
    """
    if len(starts) < LEAST_SERVICES:
        return None
    times = sorted(start.startup_time_ms for start in starts)
    middle = median(times)
    center = min(set(times), key=lambda time: (-_within(times, time), abs(time - middle), time))
    members = [start for start in starts if agrees(start.startup_time_ms, center)]
    if len(members) < LEAST_SERVICES or 2 * len(members) < len(starts):
        return None
    return Group(members, [start for start in starts if not agrees(start.startup_time_ms, center)])


def _latest(starts: Iterable[TimedStart], after_us: int) -> dict[str, TimedStart]:
    latest: dict[str, TimedStart] = {}
    for start in starts:
        if start.time_us > after_us:
            known = latest.get(start.service)
            if known is None or start.time_us >= known.time_us:
                latest[start.service] = start
    return latest


def _within(times: list[int | float], center: float) -> int:
    """Return how many of the sorted times agree with one of them."""
    return bisect_right(times, center * (1 + AGREEMENT)) - bisect_left(times, center * (1 - AGREEMENT))
