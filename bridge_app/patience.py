"""How long a worker that ends waits for Kafka: what Kafka does not take now comes again after the next start."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

log = structlog.get_logger(__name__)

#: How long the end waits for each thing that needs Kafka while Kafka does not answer.
AWAY_SECONDS = 0.5
#: How often is looked whether it still does.
LOOK_SECONDS = 0.1
#: How long what was given up may take to clean up.
CANCEL_SECONDS = 0.5
#: A group in the middle of a rebalance takes its time to let a member go.
LEAVE_SECONDS = 10.0


async def leave(consumer: Any, stopping: Awaitable[object], answers: Callable[[], bool]) -> None:
    """Wait for `stopping`, which lets an AIOKafkaConsumer leave its group; disconnect it when nobody hears of that."""
    if not await within(stopping, LEAVE_SECONDS, answers):
        log.warning("group_left_unheard")
        await consumer._client.close()


async def within(work: Awaitable[object], seconds: float, answers: Callable[[], bool]) -> bool:
    """Wait for work that needs Kafka; return whether it was done.

    It is given up after `seconds`, or as soon as Kafka does not answer any more and it had `AWAY_SECONDS`. What the
    work raises is raised, but for a cancellation of its own: aiokafka's consumers end with one while Kafka is away.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    began = loop.time()
    try:
        while not task.done():
            waited = loop.time() - began
            if waited >= seconds or (waited >= AWAY_SECONDS and not answers()):
                return False
            await asyncio.wait({task}, timeout=min(LOOK_SECONDS, seconds - waited))
        if task.cancelled():
            return False
        await task
        return True
    finally:
        if task.cancel():
            await asyncio.wait({task}, timeout=CANCEL_SECONDS)
