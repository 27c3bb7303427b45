"""Background work shares the event loop with requests: in short slices, one between two turns of the loop.

A step may have thousands of records in hand, and each costs some hundred microseconds. Done in one go they hold up
every request, heartbeat and acknowledgement for seconds. In slices the same work takes as long, but whatever else is
ready is done in between: requests keep their latency, and under more load than the worker can bear it is the analysis
that falls behind, in Kafka, and not the acceptance.
"""

import asyncio
from collections import deque

#: How long a slice should be; who works looks at the clock after each record.
SLICE_SECONDS = 0.002
#: The same while partitions are about to be given away, and the step is waited for: still far less than what the fence
#: would take for a freeze, however little of the machine this process gets.
HURRIED_SLICE_SECONDS = 0.25


class Slices:
    """Hands out turns in the order in which they were asked for, at most one per turn of the event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def turn(self) -> None:
        """Return when it is the caller's turn: at once when nobody else had one in this turn of the loop."""
        loop = asyncio.get_running_loop()
        if self._is_taken:
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
        else:
            self._is_taken = True
            loop.call_soon(self._next)

    def _next(self) -> None:
        """Give the next turn to whoever has waited longest, and has not been cancelled meanwhile."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._next)
                return
        self._is_taken = False
