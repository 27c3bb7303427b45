"""The state of the detectors, keyed as `intelligence.observations`, and the replicated views of what they found."""

from typing import Any

from bridge_app import topics
from bridge_app.clock import Clock
from bridge_app.domain.intelligence.baselines import BaselineView
from bridge_app.domain.intelligence.detectors import SeriesState
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.errors import PoisonRecord
from bridge_app.events.decoding import decode
from bridge_app.events.record import Record
from bridge_app.kafka_clients import client_options
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.state_table import StateTable
from bridge_app.runtime.view import TopicTail
from bridge_app.settings import Settings

#: How far back a worker reads patterns into its view when it starts, in seconds.
PATTERN_VIEW_SECONDS = 24 * 3600


def series(app: BridgeApp) -> StateTable[SeriesState]:
    """Declare the table of all series."""
    return app.state_table(
        "intelligence",
        state_type=SeriesState,
        sources=[topics.INTELLIGENCE_OBSERVATIONS.name],
        help="what each detector knows of its series or scope",
    )


class PatternLog(TopicTail):
    """The patterns of the last day, on every worker; what cannot be read the database adapter dead-letters."""

    def __init__(self, settings: Settings, clock: Clock, **kwargs: Any) -> None:
        self.view = PatternView()
        super().__init__(
            client_options=client_options(settings),
            topic=settings.topic(topics.INTELLIGENCE_PATTERNS.name),
            apply=self._take_in,
            clock=clock,
            since_seconds=PATTERN_VIEW_SECONDS,
            **kwargs,
        )

    def _take_in(self, record: Record) -> None:
        try:
            self.view.apply(decode(record))
        except PoisonRecord:
            return


class BaselineLog(TopicTail):
    """What is usual for each series, on every worker. Nobody else writes to the topic: strays are passed over."""

    def __init__(self, settings: Settings, clock: Clock, **kwargs: Any) -> None:
        self.view = BaselineView()
        super().__init__(
            client_options=client_options(settings),
            topic=settings.topic(topics.INTELLIGENCE_BASELINES.name),
            apply=self._take_in,
            clock=clock,
            **kwargs,
        )

    def _take_in(self, record: Record) -> None:
        if record.value is None:
            self.view.forget((record.key or b"").decode(errors="replace"))
            return
        try:
            self.view.apply(decode(record))
        except PoisonRecord:
            return
