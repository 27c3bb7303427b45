"""How a record lies in a segment, and how records are found again in bytes that were torn or damaged.

    length    4 bytes   of the body
    checksum  4 bytes   CRC-32C of sequence and body
    sequence  8 bytes   one more than that of the record before
    body      msgpack   [topic, key, value, timestamp in ms, headers]

Numbers are unsigned, the most significant byte first.
"""

import re
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

import google_crc32c
import msgspec

from bridge_app.events.envelope import Outgoing

_HEADER = Struct(">IIQ")
_CHECKED_FROM = 8
_ZEROS = bytes(_HEADER.size + 1)
_NOT_ZERO = re.compile(rb"[^\0]")
#: Longer than any record Kafka takes: a length beyond it is no length. Its first byte is therefore always zero.
MAX_BODY_BYTES = 2**24 - 1
#: More records than a segment holds: a sequence beyond it is no sequence.
MOST_IN_SEGMENT = 2**24

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Outgoing)


class Span(NamedTuple):
    """A whole record: its sequence, and where it begins and ends."""

    sequence: int
    start: int
    end: int


class Damage(NamedTuple):
    """Bytes that are no record although they were one once."""

    start: int
    end: int


class Torn(NamedTuple):
    """The last record was not written to its end: it was never answered."""

    start: int
    end: int


def encode(sequence: int, record: Outgoing) -> bytes:
    """Return the bytes of a record."""
    checked = sequence.to_bytes(8, "big") + _encoder.encode(record)
    return _HEADER.pack(len(checked) - 8, google_crc32c.value(checked), sequence) + checked[8:]


def encode_all(first: int, records: Sequence[Outgoing]) -> bytes:
    """Return the bytes of records numbered from `first` on."""
    return b"".join(encode(sequence, record) for sequence, record in enumerate(records, first))


def decode(data: bytes, span: Span) -> Outgoing:
    """Return the record of a span of `data`."""
    return _decoder.decode(memoryview(data)[span.start + _HEADER.size : span.end])


def scan(data: bytes, first: int) -> Iterator[Span | Damage | Torn]:
    """Yield what `data` consists of, from its beginning to its end and without gaps; its first record was `first`."""
    position, expected = 0, first
    while position < len(data):
        span = whole_at(data, position, expected)
        if span is None:
            span = _next_whole(data, position, expected)
            if span is None:
                yield _end(data, position)
                return
            yield Damage(position, span.start)
        yield span
        position, expected = span.end, span.sequence + 1


def whole_at(data: bytes, position: int, expected: int) -> Span | None:
    """Return the sound record that begins at a position, if one does; `expected` is the lowest sequence it may have."""
    if position + _HEADER.size > len(data):
        return None
    length, checksum, sequence = _HEADER.unpack_from(data, position)
    end = position + _HEADER.size + length
    if length > MAX_BODY_BYTES or end > len(data) or not expected <= sequence < expected + MOST_IN_SEGMENT:
        return None
    sound = google_crc32c.value(data[position + _CHECKED_FROM : end]) == checksum
    return Span(sequence, position, end) if sound else None


def _next_whole(data: bytes, position: int, expected: int) -> Span | None:
    """Return the first sound record behind a position. A length begins with a zero byte, which is rare elsewhere."""
    while (position := data.find(b"\0", position + 1)) >= 0:
        span = whole_at(data, position, expected)
        if span is not None:
            return span
        if data.startswith(_ZEROS, position):  # lost blocks are read as zeros: pass over them at once
            other = _NOT_ZERO.search(data, position)
            position = other.start() - _HEADER.size if other else len(data)
    return None


def _end(data: bytes, position: int) -> Damage | Torn:
    """Say what the bytes behind the last sound record are.

    They are torn when they are the beginning of a record, or the zeros of a file that grew before its data came. What
    has all its bytes and only a wrong length was answered: it is damaged.
    """
    rest = data[position:]
    if len(rest) < _HEADER.size or not rest.strip(b"\0"):
        return Torn(position, len(data))
    length, checksum, _ = _HEADER.unpack_from(rest)
    only_length_wrong = google_crc32c.value(rest[_CHECKED_FROM:]) == checksum
    is_torn = length > len(rest) - _HEADER.size and not only_length_wrong
    return Torn(position, len(data)) if is_torn else Damage(position, len(data))
