"""The watchdog of commits (resilience §9): a worker that makes no progress is ended, and its records come again.

It asks the broker and nobody else: gauges inside the process have been seen to advance over commits that had failed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP
from mode import Service

from bridge_app.backoff import Backoff
from bridge_app.runtime.alarms import Alarm
from bridge_app.runtime.broker_offsets import BrokerOffsets
from bridge_app.runtime.process import STALLED, end
from bridge_app.runtime.stalls import Offsets, Owned, Stall, StallWatch

if TYPE_CHECKING:
    from bridge_app.runtime.app import BridgeApp

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0
#: How long the broker may take to answer one look. One that is cut begins anew with new connections: where a machine is
#: too slow for it, the next one gets twice the time, up to the longest.
ANSWER_SECONDS = 10.0
LONGEST_ANSWER_SECONDS = 80.0
#: How long the alarm may take before the process ends.
ALARM_SECONDS = 5.0


class Watched(NamedTuple):
    """A consumer group of this worker; `owned` returns the partitions that should move: it has them, and does not wait
    for anything that is away.
    """

    group: str
    owned: Callable[[], Iterable[TP]]


class Watchdog(Service):
    """Compare, every 10 s, the committed offset of each watched partition with its end; end the worker with exit code
    70 when one has lag and has not moved for `watchdog_stall_seconds` while the broker answers.
    """

    def __init__(self, app: "BridgeApp", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app
        limit = app.settings.watchdog_stall_seconds
        self._every = min(LOOK_SECONDS, limit / 4)
        self._watch = StallWatch(limit)
        self._broker = BrokerOffsets(app.settings)
        self._is_blind = False
        self._patience = Backoff(ANSWER_SECONDS, LONGEST_ANSWER_SECONDS)

    @Service.task
    async def _run(self) -> None:
        try:
            while not self.should_stop:
                await self.sleep(self._every)
                if not self.should_stop:
                    await self._look_patiently()
        finally:  # here and not in on_stop, which comes while a look may still need its clients
            await self._broker.disconnect()

    async def _look_patiently(self) -> None:
        try:
            async with asyncio.timeout(self._patience.next()):
                await self._look()
        except (KafkaError, OSError, TimeoutError) as error:
            if not self._is_blind:
                log.warning("watchdog_sees_nothing", error=repr(error))
            self._is_blind = True
            if not isinstance(error, TimeoutError):
                self._patience.reset()
            self._watch.start_anew()
            await self._broker.disconnect()
        else:
            if self._is_blind:
                log.info("watchdog_sees_again")
            self._is_blind = False
            self._patience.reset()

    async def _look(self) -> None:
        found = await self._offsets()
        if self.should_stop:
            return
        stalls = self._watch.look(found, self.app.clock.monotonic())
        if not stalls:
            return
        real = await self._broker.with_records(stalls)
        if not real:
            log.debug("watchdog_forgives", partitions=[str(stall.owned.tp) for stall in stalls])
            self._watch.forgive(stall.owned for stall in stalls)
        elif not self.should_stop:
            await self._end(real)

    async def _offsets(self) -> dict[Owned, Offsets]:
        """Return what the broker says of every partition that should move."""
        watched: dict[str, list[TP]] = defaultdict(list)
        for one in self.app.watched:
            watched[one.group] += one.owned()
        return await self._broker.offsets(watched)

    async def _end(self, stalls: list[Stall]) -> None:
        for stall in stalls:
            group, (topic, partition) = stall.owned
            log.critical(
                "commits_stalled", group=group, topic=topic, partition=partition, committed=stall.offsets.committed,
                end=stall.offsets.end, seconds=round(stall.seconds, 1), exit_code=STALLED,
            )  # fmt: skip
        first = stalls[0]
        message = (
            f"{first.owned.tp.topic}-{first.owned.tp.partition} has been committed up to {first.offsets.committed} for "
            f"{first.seconds:.0f} s, though it ends at {first.offsets.end}: this worker ends and is to be started again"
        )
        context = {"partitions": [[*stall.owned.tp, *stall.offsets] for stall in stalls]}
        try:
            await asyncio.wait_for(self.app.raise_alarm(Alarm("COMMITS_STALLED", message, context)), ALARM_SECONDS)
        except TimeoutError:
            log.warning("alarm_not_published", waited_seconds=ALARM_SECONDS)
        end(STALLED)
