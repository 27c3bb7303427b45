"""Which part of a batch is written next.

A batch starts as one part. A part with a row that Postgres refuses is halved by record order, each half is written in
its own transaction, and so on until the refused part is one record: k bad of n cost about 2·k·log2(n) transactions, and
all others are stored.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class WritePlan(Generic[T]):
    """The parts of one batch that are still to be written, in record order."""

    def __init__(self, batch: Sequence[T]) -> None:
        self._parts: list[Sequence[T]] = [batch] if batch else []
        self.bisections = 0

    @property
    def part(self) -> Sequence[T]:
        """The part to be written now; empty when all is done."""
        return self._parts[-1] if self._parts else ()

    def done(self) -> None:
        """Drop the current part: it is stored."""
        self._parts.pop()

    def halve(self) -> T | None:
        """Put both halves in the place of the current part.

        Returns:
            None, or the one record that is left of the part: it cannot be halved and is dropped from the plan.
        """
        part = self._parts.pop()
        if len(part) == 1:
            return part[0]
        self.bisections += 1
        middle = len(part) // 2
        self._parts += (part[middle:], part[:middle])
        return None
