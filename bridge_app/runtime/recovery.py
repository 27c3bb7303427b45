"""The consumer is parked while Faust seeks.

`Recovery.on_recovery_completed` resumes the stream partitions while the flow is running, then seeks to the committed
offsets, then clears the queues: what was delivered in between vanishes, and later acks are committed over it. It lost
events for good in most rebalances under load. Stopping delivery first removes the hole.
"""

from typing import Any, cast

from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP

from bridge_app.runtime.consumer import BatchConsumer
from bridge_app.runtime.state_table import StateTable


class ParkedRecovery(Recovery):
    """Faust's recovery, with the consumer parked before it resumes the stream partitions."""

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        await cast(BatchConsumer, self.app.consumer).park()
        await super().on_recovery_completed(generation_id)

    async def _build_offsets(self, consumer: Any, tps: set[TP], destination: Any, title: str) -> None:
        """Find where to read on from; a database that is ahead of its changelog is set aside first.

        Stock Faust raises at every start: the worker would crash in a loop.
        """
        await super()._build_offsets(consumer, tps, destination, title)
        for tp in tps:
            offset, end = destination[tp], self.active_highwaters[tp]
            if offset is None or end is None or offset <= end:
                continue
            reason = f"it is at offset {offset} of {tp.topic}-{tp.partition}, whose last one is {end}"
            cast(StateTable[Any], self.tables._changelogs[tp.topic]).set_aside(tp.partition, reason)
            destination[tp] = -1
            await super()._build_offsets(consumer, {tp}, destination, title)

    async def _resume_streams(self, generation_id: int = 0) -> None:
        await cast(BatchConsumer, self.app.consumer).park()
        await super()._resume_streams(generation_id)


class ParkedTableManager(TableManager):
    """Faust's table manager with a `ParkedRecovery`."""

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = ParkedRecovery(self.app, cast(Any, self), beacon=self.beacon, loop=self.loop)
        return self._recovery
