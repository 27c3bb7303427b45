"""The journal on disks that fail, tear and forget."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge_app.effects.outbox.disk import Disk
from bridge_app.effects.outbox.folder import Folder
from bridge_app.effects.outbox.journal import Journal
from tests.unit.outbox.disks import FailingDisk, ForgetfulDisk
from tests.unit.outbox.samples import opened, record, records, waiting


def segments(path: Path) -> list[Path]:
    return sorted(path.glob("*.segment"))


def test_records_are_read_in_order_across_segments_and_starts(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=300)
    journal.append(records(3))
    journal.append(records(7, start=4))
    journal.close()
    again = opened(tmp_path, segment_bytes=300)
    again.append(records(2, start=11))

    assert len(segments(tmp_path)) >= 3
    assert waiting(again) == list(range(1, 13))
    assert (again.pending, [stored.sequence for stored in again.read(4).records]) == (12, [1, 2, 3, 4])


def test_what_is_done_with_is_not_read_again_and_its_segments_are_deleted(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=300)
    for number in range(1, 13):
        journal.append([record(number)])
    before = len(segments(tmp_path))

    journal.advance(8)
    assert waiting(journal) == waiting(opened(tmp_path)) == [9, 10, 11, 12]
    assert 0 < len(segments(tmp_path)) < before

    journal.advance(12)
    assert (journal.pending, journal.pending_bytes, segments(tmp_path)) == (0, 0, [])
    journal.append([record(13)])
    assert waiting(opened(tmp_path)) == [13]


def test_sequences_go_on_after_a_start_with_an_empty_folder(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append(records(5))
    journal.advance(5)
    journal.close()

    assert (opened(tmp_path).position, opened(tmp_path).next_sequence) == (6, 6)


@pytest.mark.parametrize("content", [None, b"", b"7", b"nonsense\n", b"7 00000000\n", b"\xff\xff"])
def test_without_a_position_that_can_be_trusted_everything_is_sent_again(tmp_path: Path, content: bytes | None) -> None:
    journal = opened(tmp_path)
    journal.append(records(5))
    journal.advance(3)
    (tmp_path / "position").unlink()
    if content is not None:
        (tmp_path / "position").write_bytes(content)

    assert waiting(opened(tmp_path)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("failing", [{"write"}, {"sync"}, {"write", "truncate"}, {"sync", "truncate"}])
@pytest.mark.parametrize("accepted", [0, 3])
def test_what_cannot_be_written_is_refused_as_a_whole_and_the_segment_never_used_again(
    tmp_path: Path, failing: set[str], accepted: int
) -> None:
    disk = FailingDisk()
    journal = opened(tmp_path, disk=disk)
    if accepted:
        journal.append(records(accepted))
    disk.failing = failing
    with pytest.raises(OSError, match="fails"):
        journal.append(records(4, start=100))
    assert waiting(journal) == list(range(1, accepted + 1))
    disk.failing = set()
    sizes = {path: path.stat().st_size for path in segments(tmp_path)}

    journal.append(records(2, start=200))

    expected = [*range(1, accepted + 1), 200, 201]
    assert waiting(journal) == expected
    if accepted:
        assert all(path.stat().st_size == size for path, size in sizes.items())
    again = Journal(Folder(tmp_path, Disk()))
    assert again.open() is None
    assert waiting(again) == expected


def test_a_position_that_cannot_be_written_forgets_nothing(tmp_path: Path) -> None:
    class NoReplace(Disk):
        def replace(self, path: Path, data: bytes) -> None:
            raise OSError("no")

    journal = opened(tmp_path, disk=NoReplace())
    journal.append(records(3))
    with pytest.raises(OSError, match="no"):
        journal.advance(2)
    assert waiting(journal) == waiting(opened(tmp_path)) == [1, 2, 3]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(["append", "advance", "power"]), st.integers(1, 6)), max_size=25))
def test_no_power_loss_takes_what_was_accepted_or_brings_back_what_was_done(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("outbox")
    disk = ForgetfulDisk()
    journal = opened(path, disk=disk, segment_bytes=250)
    expected: list[int] = []
    following = 1
    for step, count in steps:
        if step == "append":
            journal.append(records(count, start=following))
            expected += range(following, following + count)
            following += count
        elif step == "advance" and expected:
            window = journal.read(count).records
            journal.advance(window[-1].sequence)
            del expected[: len(window)]
        elif step == "power":
            journal.close()
            disk.lose_power(path)
            journal = opened(path, disk=disk, segment_bytes=250)
        assert waiting(journal) == expected
        assert journal.pending == len(expected)


def test_resilience_06_a_record_cut_in_half_at_the_end_is_dropped_and_the_others_stay(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append(records(5))
    journal.close()
    (segment,) = segments(tmp_path)
    content = segment.read_bytes()
    for size in range(len(content) * 4 // 5 + 1, len(content)):
        segment.write_bytes(content[:size])
        again = Journal(Folder(tmp_path, Disk()))
        assert again.open() is None
        assert waiting(again) == [1, 2, 3, 4]
        again.append([record(6)])
        assert waiting(opened(tmp_path)) == [1, 2, 3, 4, 6]
        segments(tmp_path)[-1].unlink()
    assert list(tmp_path.glob("*.corrupt*")) == []


@pytest.mark.parametrize(("damaged", "lost"), [((3,), 1), ((1, 6), 2), ((2, 3, 4), 3)])
def test_damage_costs_only_the_records_it_is_in_and_is_told_once(
    tmp_path: Path, damaged: tuple[int, ...], lost: int
) -> None:
    journal = opened(tmp_path)
    journal.append(records(6))
    journal.close()
    (segment,) = segments(tmp_path)
    content = bytearray(segment.read_bytes())
    for number in damaged:
        content[(2 * number - 1) * len(content) // 12] ^= 0xFF
    segment.write_bytes(content)

    again = Journal(Folder(tmp_path, Disk()))
    loss = again.open()

    assert loss is not None
    assert (loss.records, [path.read_bytes() for path in loss.files]) == (lost, [bytes(content)])
    assert loss.files[0].suffix == ".corrupt"
    assert waiting(again) == [number for number in range(1, 7) if number not in damaged]
    again.append([record(7)])
    again.close()
    third = Journal(Folder(tmp_path, Disk()))
    assert third.open() is None
    assert waiting(third)[-1] == 7


def test_damage_that_comes_while_the_worker_runs_is_found_when_it_is_read(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append(records(6))
    (segment,) = segments(tmp_path)
    content = bytearray(segment.read_bytes())
    content[len(content) // 4] ^= 1
    segment.write_bytes(content)

    window = journal.read(6)

    assert [int(stored.record.key) for stored in window.records] == [1, 3, 4, 5, 6]
    assert window.loss is not None
    assert (window.loss.records, journal.pending) == (1, 5)
    journal.advance(window.records[-1].sequence)
    assert (journal.pending, journal.pending_bytes) == (0, 0)


def test_a_segment_that_is_gone_is_told(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=1)
    for number in range(1, 5):
        journal.append([record(number)])
    journal.close()
    segments(tmp_path)[1].unlink()

    again = Journal(Folder(tmp_path, Disk()))
    loss = again.open()

    assert loss is not None
    assert loss.records == 1
    assert waiting(again) == [1, 3, 4]
