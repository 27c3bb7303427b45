"""Fetch in measured steps: a consumer of many partitions asks the broker at most so often while records keep coming.

aiokafka asks again as soon as one record has come. Each record would be a fetch and a step of its own, for the database
adapter a transaction and a commit: a pause between two fetches lets records gather. A fetch that finds none is held by
the broker anyway, and is followed at once.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any


def pace(consumer: Any, seconds: float, monotonic: Callable[[], float]) -> None:
    """Let so much time pass between an answer to a fetch of an `AIOKafkaConsumer` and the next fetch from that node.

    Call it when the consumer has started.
    """
    fetcher = consumer._fetcher
    fetch = fetcher._proc_fetch_request
    asked_at: dict[int, float] = {}

    async def paced(assignment: Any, node_id: int, request: Any) -> Any:
        wait = asked_at.get(node_id, -math.inf) + seconds - monotonic()
        if wait > 0:
            try:
                await asyncio.sleep(wait)
            except asyncio.CancelledError:  # as the fetch itself: who cancels waits for an end without an error
                return False
        asked_at[node_id] = monotonic()
        return await fetch(assignment, node_id, request)

    fetcher._proc_fetch_request = paced
