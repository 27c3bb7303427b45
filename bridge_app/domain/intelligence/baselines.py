"""The view of baselines that every worker answers from (intelligence §1, §8)."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bridge_app.events.envelope import Event
from bridge_app.events.intelligence import MetricBaseline, SeriesBaseline
from bridge_app.parameters import Reader, text_parameter
from bridge_app.timestamps import format_us


class BaselineView:
    """The last snapshot of every series; an older one than is known changes nothing."""

    def __init__(self) -> None:
        self._known: dict[str, SeriesBaseline] = {}

    def __len__(self) -> int:
        return len(self._known)

    def apply(self, event: Event) -> None:
        """Take in a snapshot; what is none is none of the view's business."""
        try:
            snapshot = msgspec.convert(event.payload, SeriesBaseline)
        except msgspec.ValidationError:
            return
        known = self._known.get(snapshot.series)
        if known is None or snapshot.last_seen_us >= known.last_seen_us:
            self._known[snapshot.series] = snapshot

    def forget(self, series: str) -> None:
        """Drop a series: its record became a tombstone."""
        self._known.pop(series, None)

    def metric(self, series: str, name: str) -> MetricBaseline | None:
        """Return what is usual for a metric of a series."""
        snapshot = self._known.get(series)
        return next((one for one in snapshot.metrics if one.metric == name), None) if snapshot else None

    def list(self, tool: str | None, service: str | None) -> list[dict[str, Any]]:
        """Return one entry per metric of every series of a tool and a service, by series."""
        return [
            entry
            for _, snapshot in sorted(self._known.items())
            if (tool is None or tool in snapshot.tools) and (service is None or service in snapshot.services)
            for entry in _entries(snapshot)
        ]


TOOL = text_parameter("tool", "Only series of this tool.", "resize")
SERVICE = text_parameter("service", "Only series of this service.", "image-service")
#: All that `parse_filters` reads.
FILTERS = (TOOL, SERVICE)


def parse_filters(params: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return `tool` and `service` of the query parameters.

    Raises:
        ValidationError: one of them is no text that could be stored.
    """
    read = Reader(params)
    found = read.value(TOOL), read.value(SERVICE)
    read.finish()
    return found


def _entries(snapshot: SeriesBaseline) -> Iterator[dict[str, Any]]:
    for one in snapshot.metrics:
        yield {
            "series": snapshot.series,
            "metric": one.metric,
            "samples": one.samples,
            "median": one.median,
            "mad": one.mad,
            "max": one.max,
            "upper_limit": one.upper_limit,
            "flagged": one.flagged,
            "last_seen": format_us(snapshot.last_seen_us),
        }
