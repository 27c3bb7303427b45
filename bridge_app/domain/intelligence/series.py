"""Which series an observation belongs to, and what its patterns say they are about."""

from typing import NamedTuple

from bridge_app.events.intelligence import LISTED

#: Why a pattern is resolved when its series is dropped.
FORGOTTEN = "forgotten"


class Subject(NamedTuple):
    """A series: its key, the tools and services it is about, the key of its performance events, and where its
    observations come from.
    """

    series: str
    name: str
    tools: tuple[str, ...]
    services: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def performance_key(self) -> str:
        """The tool, or the service where there is none."""
        return (*self.tools, *self.services)[0]


def names(*given: str | None) -> tuple[str, ...]:
    """Return what a pattern lists of names: sorted, distinct, without those that are not known."""
    return tuple(sorted({name for name in given if name})[:LISTED])
