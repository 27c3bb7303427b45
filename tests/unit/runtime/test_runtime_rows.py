"""Rows: what is written is what is read, older releases' rows are read, newer ones stop the start."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app.errors import StateMismatch
from bridge_app.runtime.rows import RowCodec, is_past


class Before(msgspec.Struct, array_like=True):
    """A state of release 1."""

    events: int


class After(msgspec.Struct, array_like=True):
    """The same state in release 2, which added a field."""

    events: int
    total: int = 0


class Incompatible(msgspec.Struct, array_like=True):
    """A state of a release that this one cannot decode."""

    events: str


watermarks = st.dictionaries(st.text(), st.integers(-1, 2**63 - 1))


@given(watermarks, st.none() | st.builds(After, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)))
def test_a_row_is_read_as_it_was_written(marks: dict[str, int], state: After | None) -> None:
    codec: RowCodec[After] = RowCodec(After, table="t", version=2)
    row = codec.decode(codec.encode(marks, state))
    assert (row.watermarks, row.state) == (marks, state)


def test_a_release_reads_the_rows_of_the_one_before() -> None:
    old: RowCodec[Before] = RowCodec(Before, table="t", version=1)
    new: RowCodec[After] = RowCodec(After, table="t", version=2)
    assert new.decode(old.encode({"a": 1}, Before(3))).state == After(3, 0)


@pytest.mark.parametrize("newer", [After(1, 2), Incompatible("x"), None])
def test_a_row_of_a_newer_release_names_table_versions_and_cure(newer: Any) -> None:
    new: RowCodec[Any] = RowCodec(type(newer) if newer else After, table="counts", version=3)
    old: RowCodec[After] = RowCodec(After, table="counts", version=2)
    with pytest.raises(StateMismatch, match=r"table counts: .* version 3, .* up to 2; start the newer release again"):
        old.decode(new.encode({"a": 1}, newer))


def test_a_broken_row_of_the_same_version_is_a_defect_and_no_mismatch() -> None:
    codec: RowCodec[After] = RowCodec(After, table="t")
    with pytest.raises(msgspec.MsgspecError):
        codec.decode(msgspec.msgpack.encode((1, {}, "no state")))


@pytest.mark.parametrize(
    ("grave", "partition", "past"),
    [
        ({"a": 5}, {"a": 5}, True),
        ({"a": 5}, {"a": 4}, False),
        ({"a": 5}, {}, False),
        ({"a": 5, "b": 9}, {"a": 7, "b": 9}, True),
        ({"a": 5, "b": 9}, {"a": 7, "b": 8}, False),
    ],
)
def test_a_grave_is_buried_once_no_replay_can_meet_its_key(
    grave: dict[str, int], partition: dict[str, int], past: bool
) -> None:
    assert is_past(grave, partition) is past
