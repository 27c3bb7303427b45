"""The settings in force: the one place where whoever uses a setting that may change looks it up, at every use."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bridge_app.settings import Settings

Listener = Callable[[Settings], None]


class LiveSettings:
    """`live.now` is what is in force now: the settings of the start, with what Consul has instead."""

    def __init__(self, settings: Settings) -> None:
        self.now = self._start = settings
        self._listeners: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        """Let somebody know of every change at once; it must neither wait nor raise."""
        self._listeners.append(listener)

    def override(self, values: Mapping[str, Any]) -> None:
        """Put values in force, by field; what is not given has its value of the start again."""
        now = replace(self._start, **values)
        if now != self.now:
            self.now = now
            for listener in self._listeners:
                listener(now)

    def max_share(self) -> float | None:
        """Return the share of dead letters that does not stop a topic; None when none is allowed."""
        return self.now.kafka_dlq_max_share if self.now.kafka_enable_dlq else None
