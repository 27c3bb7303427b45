"""Kill points: end the process as kill -9 does, between two phases of a step.

The phases, in their order:

    during_derived    half of the derived events are acknowledged, the rest was never sent
    after_derived     all derived events are acknowledged, nothing of the changelog was sent
    during_changelog  half of the changelog records are acknowledged, the watermark is not among them
    after_changelog   all of the changelog is acknowledged, RocksDB has nothing
    after_rocksdb     RocksDB is written, the records are not acknowledged to the books
    before_commit     the books offer offsets, the broker does not have them
    after_commit      the broker has the offsets; whatever steps are in progress die with the process

One more point does not kill but stops the process (SIGSTOP), until it is continued from outside:

    frozen_in_changelog  the fence let the changelog records pass, they wait in the client to be sent
"""

import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from aiokafka import AIOKafkaProducer
from faust.types import TP

from bridge_app.runtime.batches import BatchMessage
from bridge_app.runtime.consumer import BatchConsumer
from bridge_app.runtime.producer import BatchProducer, Send
from bridge_app.runtime.rows import Row
from bridge_app.runtime.state_table import StateTable

PHASES = (
    "during_derived",
    "after_derived",
    "during_changelog",
    "after_changelog",
    "after_rocksdb",
    "before_commit",
    "after_commit",
)
FROZEN = "frozen_in_changelog"


class KillPoint:
    """Kill the process when the phase is reached for the `countdown`-th time."""

    def __init__(self, phase: str, countdown: int, phases: Sequence[str] = (*PHASES, FROZEN)) -> None:
        assert phase in phases, phase
        self._phase = phase
        self._countdown = countdown

    def is_next(self, phase: str) -> bool:
        """Count the phase as reached; return whether the process must be killed in it."""
        if phase == self._phase:
            self._countdown -= 1
        return phase == self._phase and self._countdown == 0

    def reach(self, phase: str) -> None:
        if self.is_next(phase):
            kill()


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def install(table: StateTable[Any], phase: str, countdown: int) -> None:
    """Wrap what runs before and after each phase of this process's steps."""
    point = KillPoint(phase, countdown)
    _around_sends(point, table.changelog_topic_name)
    _behind_the_fence(point, table.changelog_topic_name)
    _around_writes(point, table)
    _around_commits(point)


def _around_sends(point: KillPoint, changelog: str) -> None:
    produce_once = BatchProducer._produce_once

    async def halved(self: BatchProducer, topic: str, partition: int, records: Sequence[Send]) -> int:
        if point.is_next("during_changelog" if topic == changelog else "during_derived"):
            await produce_once(self, topic, partition, records[: len(records) // 2])
            kill()
        return await produce_once(self, topic, partition, records)

    BatchProducer._produce_once = halved  # type: ignore[method-assign]


def _behind_the_fence(point: KillPoint, changelog: str) -> None:
    send_batch = AIOKafkaProducer.send_batch

    async def frozen(self: AIOKafkaProducer, batch: Any, topic: str, *, partition: int) -> Any:
        acknowledgement = await send_batch(self, batch, topic, partition=partition)
        if topic == changelog and point.is_next(FROZEN):
            os.kill(os.getpid(), signal.SIGSTOP)
        return acknowledgement

    AIOKafkaProducer.send_batch = frozen


def _around_writes(point: KillPoint, table: StateTable[Any]) -> None:
    in_step: ContextVar[bool] = ContextVar("in_step", default=False)  # recovery applies changelog records, too
    write, apply = table.write, table._apply

    async def write_in_step(
        message: BatchMessage, rows: Mapping[bytes, Row[Any]], applied: int, **options: Callable[[], None]
    ) -> None:
        point.reach("after_derived")
        in_step.set(True)
        await write(message, rows, applied, **options)
        in_step.set(False)

    def apply_in_step(partition: int, changes: Iterable[tuple[bytes, bytes | None]], changelog_offset: int) -> None:
        if in_step.get():
            point.reach("after_changelog")
        apply(partition, changes, changelog_offset)
        if in_step.get():
            point.reach("after_rocksdb")

    table.write = write_in_step  # type: ignore[method-assign]
    table._apply = apply_in_step  # type: ignore[method-assign]


def _around_commits(point: KillPoint) -> None:
    commit = BatchConsumer._commit

    async def unless_killed(self: BatchConsumer, offsets: Mapping[TP, int]) -> bool:
        point.reach("before_commit")
        committed = await commit(self, offsets)
        point.reach("after_commit")
        return committed

    BatchConsumer._commit = unless_killed  # type: ignore[method-assign]
