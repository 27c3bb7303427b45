"""The configuration of a worker: what Consul holds is put in force, and told."""

from collections.abc import Callable, Iterable, Mapping

import structlog

from bridge_app.clock import Clock
from bridge_app.domain.configuration import events
from bridge_app.domain.configuration.changes import Change, Rejection, changes, first_changes, rejections
from bridge_app.domain.configuration.live import LiveSettings
from bridge_app.domain.configuration.precedence import Trees, base_of, overrides
from bridge_app.domain.configuration.report import State
from bridge_app.domain.configuration.tree import Entry, Tree, read_tree
from bridge_app.events.envelope import Event, Identity
from bridge_app.metrics import Metrics
from bridge_app.topics import CONFIGURATION_CHANGES

log = structlog.get_logger(__name__)

Tell = Callable[[str, Event], None]
#: The names of the trees.
ENVIRONMENT, SHARED = Trees._fields


class Configuration:
    """Takes readings of Consul. What follows from one is in force when its method returns; nothing here waits.

    `tell` is given the events, each with its topic.
    """

    def __init__(self, live: LiveSettings, *, tell: Tell, identity: Identity, clock: Clock, metrics: Metrics) -> None:
        self.is_read = False
        #: When a value was put in force or taken back last, in microseconds since the epoch; None before the first.
        self.last_updated_us: int | None = None
        self._live = live
        self._settings = live.now
        self._base = base_of(live.now)
        self._trees = Trees.unread(identity.environment)
        self._tell = tell
        self._identity = identity
        self._clock = clock
        self._metrics = metrics

    @property
    def state(self) -> State:
        """What Consul holds and what counts without it."""
        return State(self._settings, self._trees, self._base)

    def tree(self, name: str) -> Tree:
        """Return one of the trees as it was read last."""
        found: Tree = getattr(self._trees, name)
        return found

    def begin(self, environment: Mapping[str, Entry], shared: Mapping[str, Entry]) -> None:
        """Take the first reading of both trees; nothing happens when there was one."""
        if self.is_read:
            return
        self.is_read = True
        before = self._trees
        after = Trees(read_tree(before.environment, environment), read_tree(before.shared, shared))
        self._apply(before, after, first_changes(after, self._base))

    def take(self, name: str, entries: Mapping[str, Entry]) -> None:
        """Take another reading of one tree."""
        before = self._trees
        after = before._replace(**{name: read_tree(self.tree(name), entries)})
        self._apply(before, after, changes(before, after, self._base))

    def _apply(self, before: Trees, after: Trees, found: Iterable[Change]) -> None:
        self._trees = after
        self._live.override(overrides(after, self._base))
        for change in found:
            self._changed(change)
        for rejection in rejections(before, after, self._base):
            self._rejected(rejection)

    def _changed(self, change: Change) -> None:
        now_us = self._clock.now_us()
        self.last_updated_us = now_us
        self._metrics.config_changes.labels("applied").inc()
        log.info(
            "configuration_changed",
            key=change.key.dotted,
            previous=change.previous.value,
            value=change.new.value,
            source=change.new.source,
        )
        self._tell(CONFIGURATION_CHANGES.name, events.updated(change, self._identity, now_us))

    def _rejected(self, rejection: Rejection) -> None:
        self._metrics.config_changes.labels("rejected").inc()
        log.warning(
            "configuration_rejected",
            path=rejection.path,
            value=events.shown(rejection.rejected.raw),
            reason=rejection.rejected.reason,
        )
        event = events.rejected(rejection, self._identity, self._clock.now_us())
        self._tell(CONFIGURATION_CHANGES.name, event)
