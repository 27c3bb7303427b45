"""Alarms on their way to `system.errors`: in order, none lost while Kafka is away."""

from collections.abc import Mapping
from typing import Any

import structlog

from bridge_app import topics
from bridge_app.clock import Clock
from bridge_app.domain.alarms import Alarm, AlarmBook
from bridge_app.effects.teller import Publish, Teller
from bridge_app.events.envelope import Identity
from bridge_app.runtime.alarms import Alarm as Report

log = structlog.get_logger(__name__)

#: What of a report's context makes it another alarm.
PLACE = ("agent", "group", "table", "topic", "partition", "first")


class Alarms(Teller):
    """Tells of alarms (`AlarmSink`): at once in the log, and as events."""

    def __init__(self, publish: Publish, identity: Identity, clock: Clock, **kwargs: Any) -> None:
        super().__init__(publish, **kwargs)
        self._clock = clock
        self._book = AlarmBook(identity)

    @property
    def active(self) -> Mapping[str, str]:
        """The message of every alarm that is raised, by name."""
        return self._book.active

    def raise_(self, alarm: Alarm) -> None:
        """Say that something is wrong, once until it is cleared; see `AlarmSink`."""
        event = self._book.raise_(alarm, self._clock.now_us())
        if event is not None:
            log.critical("alarm_raised", alarm=alarm.name, error_type=alarm.error_type, error=alarm.message)
            self.tell(topics.SYSTEM_ERRORS.name, event)

    def clear(self, name: str) -> None:
        """Say that it is over."""
        event = self._book.clear(name, self._clock.now_us())
        if event is not None:
            log.warning("alarm_cleared", alarm=name)
            self.tell(topics.SYSTEM_ERRORS.name, event)

    async def report(self, report: Report) -> None:
        """Raise what the runtime reports, and wait until it is published with all that was told before it.

        Several reports of one kind about one place are one alarm.
        """
        name = _name(report.error_type, report.context)
        self.raise_(Alarm(name, report.error_type, report.message, context=report.context))
        await self.until_told()

    def over(self, error_type: str, context: Mapping[str, Any]) -> None:
        """Say that what the runtime reported, of this kind about this place, is over."""
        self.clear(_name(error_type, context))


def _name(error_type: str, context: Mapping[str, Any]) -> str:
    return ".".join([error_type.lower(), *(str(context[name]) for name in PLACE if name in context)])
