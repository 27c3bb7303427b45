"""Which offsets may be committed: the books of the consumer.

One deque per partition holds what was delivered, in order, until it is done. What may be committed is the end of the
done prefix, so a hole is impossible by construction: a batch that is not done holds back everything behind it. What the
broker has confirmed is kept apart, so that a failed commit is tried again.

Replaces Faust's ack lists, index sets and gap trees, whose scan lets a gap at the head pass (faust-streaming issue
606).
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from faust.types import TP


class Delivered(Protocol):
    """A delivered message; `acked` becomes true when all of it took effect."""

    @property
    def acked(self) -> bool: ...
    @property
    def tp(self) -> TP: ...
    @property
    def offset(self) -> int: ...


class _Done(NamedTuple):
    """The part of a message that is done."""

    tp: TP
    offset: int
    acked: bool = True


class Books:
    """Delivered and done messages per partition. Offsets handed out are those of the next record to read."""

    def __init__(self) -> None:
        self._delivered: dict[TP, deque[Delivered]] = {}
        self._done: dict[TP, int] = {}
        self._committed: dict[TP, int] = {}

    def deliver(self, message: Delivered) -> None:
        """Enter a message before an agent can see it. Messages of a partition come in offset order."""
        self._delivered.setdefault(message.tp, deque()).append(message)

    def part(self, message: Delivered, next_offset: int) -> None:
        """Note that of a delivered message everything before `next_offset` is done, and the rest is not."""
        messages = self._delivered.get(message.tp, deque())
        for index, delivered in enumerate(messages):
            if delivered is message:
                messages.insert(index, _Done(message.tp, next_offset - 1))
                return

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

    def forget_delivered(self, tps: Iterable[TP] | None = None) -> None:
        """Drop what was delivered, of some partitions or of all: the consumer is about to seek, and reads it again."""
        for tp in list(self._delivered) + list(self._done) if tps is None else tps:
            self._delivered.pop(tp, None)
            self._done.pop(tp, None)

    def confirmed(self, tp: TP) -> int | None:
        """Return the next offset of a partition as the broker has it, None when it has none."""
        return self._committed.get(tp)

    def forget(self, tps: Iterable[TP]) -> None:
        """Drop everything about partitions that were given away."""
        for tp in tps:
            self._delivered.pop(tp, None)
            self._done.pop(tp, None)
            self._committed.pop(tp, None)
