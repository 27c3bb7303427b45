"""Which offsets may be committed: the books of the consumer.

One deque per partition holds what was delivered, in order, until it is done. What may be committed is the end of the
done prefix, so a hole is impossible by construction: a batch that is not done holds back everything behind it. What the
broker has confirmed is kept apart, so that a failed commit is tried again.

Replaces Faust's ack lists, index sets and gap trees, whose scan lets a gap at the head pass (faust-streaming issue
606).
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from faust.types import TP


class Delivered(Protocol):
    """A delivered message; `acked` becomes true when all of it took effect."""

    acked: bool

    @property
    def tp(self) -> TP: ...
    @property
    def offset(self) -> int: ...


class Books:
    """Delivered and done messages per partition. Offsets handed out are those of the next record to read."""

    def __init__(self) -> None:
        self._delivered: dict[TP, deque[Delivered]] = {}
        self._done: dict[TP, int] = {}
        self._committed: dict[TP, int] = {}

    def deliver(self, message: Delivered) -> None:
        """Enter a message before an agent can see it. Messages of a partition come in offset order."""
        self._delivered.setdefault(message.tp, deque()).append(message)

    def committable(self) -> dict[TP, int]:
        """Return the next offset of each partition whose done prefix is ahead of what the broker confirmed."""
        for tp, messages in self._delivered.items():
            while messages and messages[0].acked:
                self._done[tp] = messages.popleft().offset + 1
        return {tp: offset for tp, offset in self._done.items() if offset > self._committed.get(tp, -1)}

    def confirm(self, offsets: Mapping[TP, int]) -> None:
        """Note what the broker confirmed."""
        self._committed.update(offsets)

    def unfinished(self, tp: TP) -> int:
        """Return how many delivered messages of a partition are not known to be done."""
        return len(self._delivered.get(tp, ()))

    def forget_delivered(self) -> None:
        """Drop what was delivered: the consumer is about to seek, and reads it again."""
        self._delivered.clear()
        self._done.clear()

    def forget(self, tps: Iterable[TP]) -> None:
        """Drop everything about partitions that were given away."""
        for tp in tps:
            self._delivered.pop(tp, None)
            self._done.pop(tp, None)
            self._committed.pop(tp, None)
