"""Which keys a tick concerns: the deadlines of one table partition, in order.

The index is made anew from the table when a partition is assigned, and never stored: deadlines are a function of state.
"""

import heapq
from collections.abc import Iterable

#: Entries of the heap that are not worth to be searched for outdated ones.
FEW = 64


class DueIndex:
    """Deadlines by key, in microseconds since the epoch; keys of equal deadline come in byte order.

    A deadline that is put off leaves its entry in the heap. Such entries are swept out when they are the most of it,
    so the index is as large as the number of keys, however often and however far their deadlines move.
    """

    def __init__(self, deadlines: Iterable[tuple[bytes, int]] = ()) -> None:
        self._deadline = dict(deadlines)
        self._heap = [(due, key) for key, due in self._deadline.items()]
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._deadline)

    def put(self, key: bytes, due: int | None) -> None:
        """Set a key's next deadline; None for none."""
        if self._deadline.get(key) == due:
            return
        if due is None:
            self._deadline.pop(key, None)
        else:
            self._deadline[key] = due
            heapq.heappush(self._heap, (due, key))
            if len(self._heap) > FEW + 2 * len(self._deadline):
                self._heap = [(due, key) for key, due in self._deadline.items()]
                heapq.heapify(self._heap)

    def pop(self, now_us: float) -> bytes | None:
        """Take out the key with the earliest deadline that has come, None when there is none."""
        while self._heap and self._heap[0][0] <= now_us:
            due, key = heapq.heappop(self._heap)
            if self._deadline.get(key) == due:
                del self._deadline[key]
                return key
        return None
