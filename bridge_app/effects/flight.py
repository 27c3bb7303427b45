"""One publication on its way: accepted by nobody yet."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from itertools import zip_longest
from typing import Any

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTimestampError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from bridge_app.events.envelope import Outgoing

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
#: What the broker says of a record that it will never take.
REFUSED = (
    *TOO_LARGE,
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    InvalidTimestampError,
    InvalidTopicError,
    PolicyViolationError,
)


class Flight:
    """The records of one publication, and what has become of each.

    `acknowledgements` are those of the records handed over so far. `limit` is the time limit of who waits for them.
    `buffered` is done when the outbox has what Kafka did not acknowledge.
    """

    def __init__(self, records: Sequence[Outgoing], limit: asyncio.Timeout) -> None:
        self.records = records
        self.limit = limit
        self.acknowledgements: list[asyncio.Future[Any]] = []
        self.buffered: asyncio.Future[None] | None = None

    async def hand_over(self, send: Callable[[Outgoing], Awaitable[asyncio.Future[Any]]]) -> None:
        """Give the records to the producer, in order."""
        for record in self.records:
            self.acknowledgements.append(await send(record))

    async def landed(self) -> None:
        """Return when each record is acknowledged or has failed."""
        await asyncio.wait(self.acknowledgements)

    def outcomes(self) -> list[Exception | None]:
        """Return for each record None when it is acknowledged, else why not; TimeoutError when nothing is known."""
        return [_outcome(one) for _, one in zip_longest(self.records, self.acknowledgements)]

    def missing(self) -> list[Outgoing]:
        """Return the records that are neither acknowledged nor refused for good."""
        outcomes = zip(self.records, self.outcomes(), strict=True)
        return [record for record, error in outcomes if error is not None and not isinstance(error, REFUSED)]

    def interrupt(self) -> None:
        """Wake up who waits for acknowledgements: there is nothing to wait for any more."""
        with contextlib.suppress(RuntimeError):  # the waiting is over already
            self.limit.reschedule(asyncio.get_running_loop().time())


def _outcome(acknowledgement: "asyncio.Future[Any] | None") -> Exception | None:
    if acknowledgement is None or not acknowledgement.done() or acknowledgement.cancelled():
        return TimeoutError("Kafka did not acknowledge in time")
    error = acknowledgement.exception()
    assert error is None or isinstance(error, Exception)
    return error
