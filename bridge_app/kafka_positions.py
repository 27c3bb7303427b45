"""Where a consumer begins to read: what its group has committed is asked for in one request.

aiokafka asks for one partition after the other, and looks through all of them for each: every start and every rebalance
of the database adapter took 433 requests (counted).
"""

import asyncio
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, OffsetResetStrategy
from aiokafka.consumer.group_coordinator import UNKNOWN_OFFSET


class PositionFetcher(Fetcher):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's fetcher, which finds all positions at once after a rebalance."""

    async def _update_fetch_positions(self, assignment: Any, node_id: int, partitions: list[TopicPartition]) -> bool:
        """Go to what was committed, and where nothing was, to where the consumer's reset policy says.

        Returns:
            Whether there is an error that whoever waits for records has to be told of.
        """
        states = [state for tp in partitions if not _is_known(state := assignment.state_value(tp))]
        try:
            found = await asyncio.gather(*(state.fetch_committed() for state in states))
        except asyncio.CancelledError:
            return False
        for state, committed in zip(states, found, strict=True):
            if _is_known(state):
                continue  # sought meanwhile
            if committed.offset != UNKNOWN_OFFSET:
                state.reset_to(committed.offset)
            elif self._default_reset_strategy != OffsetResetStrategy.NONE:
                state.await_reset(self._default_reset_strategy)
        needs_wakeup: bool = await super()._update_fetch_positions(assignment, node_id, partitions)
        return needs_wakeup


def _is_known(state: Any) -> bool:
    return bool(state.has_valid_position or state.awaiting_reset)
