"""Records in bytes that are torn or damaged."""

from hypothesis import given
from hypothesis import strategies as st

from bridge_app.effects.outbox.record import Damage, Span, Torn, decode, encode, scan
from bridge_app.events.envelope import Outgoing
from tests.unit.outbox.samples import record, records

DATA = b"".join(encode(sequence, one) for sequence, one in enumerate(records(6), 1))
SPANS = [item for item in scan(DATA, 1) if isinstance(item, Span)]

outgoing = st.builds(
    Outgoing,
    topic=st.text(max_size=20),
    key=st.binary(max_size=50),
    value=st.binary(max_size=500),
    timestamp_ms=st.integers(0, 2**50),
    headers=st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=20)), max_size=5),
)


@given(st.lists(outgoing, max_size=10), st.integers(1, 2**60))
def test_what_is_written_is_read(written: list[Outgoing], first: int) -> None:
    data = b"".join(encode(sequence, one) for sequence, one in enumerate(written, first))

    spans = [item for item in scan(data, first) if isinstance(item, Span)]

    assert [span.sequence for span in spans] == list(range(first, first + len(written)))
    assert [decode(data, span) for span in spans] == written


def test_resilience_06_a_record_cut_anywhere_is_torn_and_those_before_it_are_whole() -> None:
    for size in range(len(DATA)):
        found = list(scan(DATA[:size], 1))
        whole = [span for span in SPANS if span.end <= size]
        rest = [] if whole and whole[-1].end == size else [Torn(whole[-1].end if whole else 0, size)]
        assert [repr(item) for item in found] == [repr(item) for item in [*whole, *(rest if size else [])]]


def test_a_file_that_grew_before_its_data_came_is_torn() -> None:
    assert repr(list(scan(DATA + bytes(4096), 1))[-1]) == repr(Torn(len(DATA), len(DATA) + 4096))


def test_every_flipped_bit_costs_the_record_it_is_in_and_is_never_taken_for_an_unfinished_write() -> None:
    for position in range(len(DATA)):
        for bit in range(8):
            damaged = bytearray(DATA)
            damaged[position] ^= 1 << bit
            found = list(scan(bytes(damaged), 1))

            lost = next(span.sequence for span in SPANS if span.start <= position < span.end)
            assert [item.sequence for item in found if isinstance(item, Span)] == [
                span.sequence for span in SPANS if span.sequence != lost
            ]
            assert any(isinstance(item, Damage) for item in found)
            assert not any(isinstance(item, Torn) for item in found)


@given(st.integers(0, 5), st.binary(min_size=1, max_size=300))
def test_rubbish_between_two_records_costs_neither(behind: int, rubbish: bytes) -> None:
    cut = SPANS[behind].start
    found = list(scan(DATA[:cut] + rubbish + DATA[cut:], 1))

    assert [item.sequence for item in found if isinstance(item, Span)] == [1, 2, 3, 4, 5, 6]


def test_a_block_that_reads_as_zeros_costs_the_records_in_it() -> None:
    large = b"".join(encode(sequence, record(sequence, size=3000)) for sequence in range(1, 100))
    damaged = large[:8192] + bytes(128 * 1024) + large[8192 + 128 * 1024 :]

    found = [item.sequence for item in scan(damaged, 1) if isinstance(item, Span)]

    assert found[:2] == [1, 2]
    assert found[-1] == 99
    assert len(found) > 50
