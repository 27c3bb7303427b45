"""Metadata is asked for at most ten times a second, as Java's clients do by `retry.backoff.ms`.

aiokafka asks again at once, as often as an answer or a refused connection lets it, while a partition has no leader or a
topic is gone: a worker whose broker was stopped in such a moment took a whole core until it was back (seen).
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from aiokafka.client import AIOKafkaClient

Update = Callable[[Any, Any, Any], Awaitable[bool]]

SPACING_SECONDS = 0.1


def space_metadata() -> None:
    """Let every client of aiokafka wait between two updates of its metadata."""
    if not hasattr(AIOKafkaClient._metadata_update, "__wrapped__"):
        AIOKafkaClient._metadata_update = spaced(AIOKafkaClient._metadata_update)


def spaced(update: Update) -> Update:
    """Return `update` with `SPACING_SECONDS` or more between two calls for one client; the first comes at once."""
    next_at: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    @wraps(update)
    async def update_in_time(client: Any, cluster: Any, topics: Any) -> bool:
        loop = asyncio.get_running_loop()
        wait = next_at.get(client, 0.0) - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        next_at[client] = loop.time() + SPACING_SECONDS
        return await update(client, cluster, topics)

    return update_in_time
