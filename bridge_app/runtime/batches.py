"""A fetched record batch is one Faust event.

Stock Faust spends 70 µs per event on its machinery and keeps its books per event. Handing agents whole batches of one
partition removes both: the event's value is the list of records as the client read them, its offset that of the last.
Decoding is the agent's, record by record, so one bad record is one bad record and not a bad batch.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import faust
from faust.types import TP, EventT
from faust.types.tuples import ConsumerMessage

from bridge_app.events.record import Record


class BatchMessage(ConsumerMessage):
    """Consecutive records of one topic-partition, in offset order, never empty."""

    __slots__ = ("records",)

    records: list[Record]

    @property
    def generation(self) -> int:
        """The generation of the consumer group the records were delivered under."""
        assert self.generation_id is not None
        return self.generation_id


def new_batch(tp: TP, records: list[Record], generation_id: int) -> BatchMessage:
    """Return the message that carries `records`; its offset is that of the last of them."""
    last = records[-1]
    message = BatchMessage(
        topic=tp.topic,
        partition=tp.partition,
        offset=last.offset,
        timestamp=last.timestamp / 1000,
        timestamp_type=0,
        headers=[],
        key=None,
        value=None,
        checksum=None,
        tp=tp,
        generation_id=generation_id,
    )
    message.records = records
    return message


class BatchSchema(faust.Schema):  # type: ignore[type-arg]
    """Make an event of a message without decoding it: the value is its list of records."""

    def compile(self, app: Any, **_kwargs: Any) -> Callable[..., Awaitable[EventT[Any]]]:
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> EventT[Any]:
            value = message.records if isinstance(message, BatchMessage) else message.value
            return cast("EventT[Any]", create_event(message.key, value, message.headers, message=message))

        return decode


def raw_batches() -> BatchSchema:
    """Return the schema of a topic whose records are read as they are."""
    return BatchSchema(key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
