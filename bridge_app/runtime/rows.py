"""How a table value carries the watermarks of what was applied to it.

A row is MessagePack: `[version of the state's schema, {source topic: offset last applied}, state]`. A table partition
has one owner and the partition number of its sources, so a topic name suffices. A row whose state is nil is a grave:
the key was forgotten, and the tombstone follows once the partition's watermark is past it; a tombstone at once would
let a replay meet a key without history.

The partition's own watermark is a row of the same form without state under `WATERMARK_KEY`. Keys that were dropped must
not come back in a replay, so it is checked first, for every record.
"""

from typing import Any, Generic, TypeVar

import msgspec

from bridge_app.errors import StateMismatch

S = TypeVar("S")

Watermarks = dict[str, int]

#: No Kafka key of a table may start with a zero byte.
RESERVED_PREFIX = b"\x00"
WATERMARK_KEY = b"\x00watermark"


class Row(msgspec.Struct, Generic[S]):
    """A key's state and what was applied to it; a step changes it in place."""

    watermarks: Watermarks
    state: S | None


class RowCodec(Generic[S]):
    """Encode and decode the rows of one table; release N reads version N and N-1."""

    def __init__(self, state_type: Any, *, table: str, version: int = 1) -> None:
        self._table = table
        self._version = version
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(tuple[int, Watermarks, state_type | None])

    def encode(self, watermarks: Watermarks, state: S | None) -> bytes:
        return self._encoder.encode((self._version, watermarks, state))

    def decode(self, data: bytes) -> Row[S]:
        """Return the row.

        Raises:
            StateMismatch: a newer release wrote it.
        """
        try:
            version, watermarks, state = self._decoder.decode(data)
        except msgspec.MsgspecError:
            version = msgspec.msgpack.decode(data)[0]
            if version > self._version:
                raise self._too_new(version) from None
            raise
        if version > self._version:
            raise self._too_new(version)
        return Row(watermarks, state)

    def _too_new(self, version: int) -> StateMismatch:
        return StateMismatch(
            f"table {self._table}: its state has schema version {version}, this release reads up to {self._version}; "
            "start the newer release again"
        )


def is_past(grave: Watermarks, partition: Watermarks) -> bool:
    """Whether no replay can meet a forgotten key any more: the partition is past all that was applied to the key."""
    return all(offset <= partition.get(topic, -1) for topic, offset in grave.items())
