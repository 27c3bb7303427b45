"""What becomes of a batch: fold, bisection, offsets, limit (database-adapter §2, §5, §6)."""

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app.domain.database_adapter.failures import Kind, kind_of
from bridge_app.domain.database_adapter.fold import fold
from bridge_app.domain.database_adapter.letters import Failure
from bridge_app.domain.database_adapter.offsets import committable
from bridge_app.domain.database_adapter.plan import WritePlan
from bridge_app.domain.database_adapter.records import Entry, read_event
from bridge_app.domain.database_adapter.sorting import Sorter
from bridge_app.domain.database_adapter.subscription import Subscription
from bridge_app.domain.dead_letter_limit import DeadLetterLimit
from bridge_app.errors import PoisonRecord, SettingsError
from bridge_app.settings import Settings

PATTERN_IDS = ["1b4e28ba-2fa1-51d2-883f-0016d3cca427", "0a4e28ba-2fa1-51d2-883f-0016d3cca427"]


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        (None, Kind.TRANSIENT), ("08006", Kind.TRANSIENT), ("40P01", Kind.TRANSIENT), ("53300", Kind.TRANSIENT),
        ("55P03", Kind.TRANSIENT), ("57014", Kind.TRANSIENT), ("57P01", Kind.TRANSIENT), ("58030", Kind.TRANSIENT),
        ("25006", Kind.TRANSIENT), ("28P01", Kind.TRANSIENT), ("3D000", Kind.TRANSIENT), ("42P01", Kind.SCHEMA),
        ("3F000", Kind.SCHEMA), ("22P05", Kind.ROW), ("23514", Kind.ROW), ("54000", Kind.ROW),
        ("25001", Kind.UNKNOWN), ("XX000", Kind.UNKNOWN), ("0A000", Kind.UNKNOWN),
    ],
)  # fmt: skip
def test_kind_of(sqlstate: str | None, kind: Kind) -> None:
    assert kind_of(sqlstate) is kind


def test_fold_keeps_the_first_event_of_an_id_and_sorts(make_record: Callable[..., Any]) -> None:
    known = ["00000000-0000-4000-8000-00000000000b", "00000000-0000-4000-8000-00000000000a"]
    records = [make_record(event_id=known[i % 2], offset=i) for i in range(4)]
    rows = fold(map(read_event, records)).event_logs
    assert [(row.event_id, row.offset) for row in rows] == [(known[1], 1), (known[0], 0)]


def test_fold_keeps_the_highest_revision_of_a_pattern(make_record: Callable[..., Any]) -> None:
    def discovered(offset: int, pattern: str, revision: int) -> Any:
        info = {"pattern_id": pattern, "pattern_type": "t", "confidence_score": 1, "revision": revision}
        event_id = f"00000000-0000-4000-8000-{offset:012}"
        return make_record(
            event_id=event_id,
            event_type="intelligence.pattern.discovered",
            payload={"pattern_info": info},
            offset=offset,
        )

    first, second = PATTERN_IDS
    records = [discovered(0, first, 2), discovered(1, second, 1), discovered(2, first, 3), discovered(3, first, 1)]
    rows = fold(map(read_event, records))
    found = [row.values for row in rows.routed["intelligence_patterns"]]
    assert [(row["pattern_id"], row["revision"]) for row in found] == [(second, 1), (first, 3)]
    assert len(rows.event_logs) == 4


def bisect(batch: list[int], bad: set[int]) -> tuple[list[int], list[int], int]:
    plan = WritePlan(batch)
    stored: list[int] = []
    rejected: list[int] = []
    transactions = 0
    while part := plan.part:
        transactions += 1
        if bad.isdisjoint(part):
            stored += part
            plan.done()
        elif (alone := plan.halve()) is not None:
            rejected.append(alone)
    return stored, rejected, transactions


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=8))))
def test_bisection_rejects_the_bad_ones_only_and_in_order(case: tuple[int, set[int]]) -> None:
    size, bad = case
    stored, rejected, transactions = bisect(list(range(size)), bad)
    assert rejected == sorted(bad)
    assert stored == [number for number in range(size) if number not in bad]
    assert transactions <= 1 + 2 * len(bad) * math.ceil(math.log2(size) if size > 1 else 1)


def test_three_bad_ones_of_a_thousand_cost_at_most_seventy_transactions() -> None:
    assert bisect(list(range(1000)), {0, 499, 873})[2] <= 70


def test_empty_batch_has_no_part() -> None:
    assert WritePlan([]).part == ()


def test_commit_reaches_behind_the_last_record_of_each_partition(make_record: Callable[..., Any]) -> None:
    batch = [make_record(partition=0, offset=4), make_record(partition=1, offset=9), make_record(partition=0, offset=5)]
    assert committable(batch, []) == {(batch[0].topic, 0): 6, (batch[0].topic, 1): 10}


def test_commit_stops_at_the_first_held_record(make_record: Callable[..., Any]) -> None:
    batch = [make_record(partition=part, offset=offset) for offset in range(10, 14) for part in (0, 1)]
    held = [record for record in batch if record.partition == 1 and record.offset >= 12]
    assert committable(batch, held) == {(batch[0].topic, 0): 14, (batch[0].topic, 1): 12}


def test_limit_is_judged_from_the_21st_record_on() -> None:
    limit = DeadLetterLimit(lambda: 0.5)
    assert [limit.bad() for _ in range(21)] == [False] * 20 + [True]


def test_limit_counts_the_last_hundred() -> None:
    limit = DeadLetterLimit(lambda: 0.5)
    for _ in range(500):
        limit.good()
    assert [limit.bad() for _ in range(51)] == [False] * 50 + [True]


def test_limit_allows_the_share_itself() -> None:
    limit = DeadLetterLimit(lambda: 0.5)
    tripped = False
    for _ in range(200):
        limit.good()
        tripped = tripped or limit.bad()
    assert not tripped


def test_limit_counts_a_row_that_was_good_before_once() -> None:
    limit = DeadLetterLimit(lambda: 0.5)
    for _ in range(100):
        limit.good()
    assert [limit.turned_bad() for _ in range(51)] == [False] * 50 + [True]


def test_without_dead_letters_the_first_bad_record_trips() -> None:
    assert DeadLetterLimit(lambda: None).bad()


@given(st.lists(st.booleans(), max_size=300), st.floats(0, 1))
def test_limit_agrees_with_its_definition(marks: list[bool], share: float) -> None:
    limit = DeadLetterLimit(lambda: share)
    for seen, bad in enumerate(marks, start=1):
        last = marks[max(0, seen - 100) : seen]
        if bad:
            assert limit.bad() == (seen >= 21 and sum(last) > share * len(last))
        else:
            limit.good()


@pytest.fixture
def sorter() -> Sorter:
    return Sorter(Subscription(str, ".dlq"), ".dlq", lambda: 0.5)


def test_bad_records_do_not_stop_the_good_ones(sorter: Sorter, make_record: Callable[..., Any]) -> None:
    batch = [make_record(offset=0), make_record(offset=1, value=b"{"), make_record(offset=2)]
    work = sorter.sort(map(sorter.read, batch), now_us=7)
    assert [entry.record.offset for entry in work.entries] == [0, 2]
    assert [(bad.record.offset, bad.failure.error.error_type) for bad in work.bad] == [(1, "INVALID_JSON")]
    assert work.held == []


def test_topic_over_its_limit_is_held_and_the_others_go_on(sorter: Sorter, make_record: Callable[..., Any]) -> None:
    batch = [make_record(offset=offset, value=None) for offset in range(30)]
    batch += [make_record(offset=30), make_record(topic="hooks.tool_execution")]
    work = sorter.sort(map(sorter.read, batch), now_us=7)
    assert len(work.bad) == 20
    assert [record.offset for record in work.held] == list(range(20, 31))
    assert [entry.record.topic for entry in work.entries] == ["hooks.tool_execution"]
    assert sorter.stopped == {"hooks.service_lifecycle": "NULL_VALUE: the value is null"}


def test_a_null_value_on_a_compacted_topic_is_a_tombstone_that_leaves_no_rows(
    sorter: Sorter, make_record: Callable[..., Any]
) -> None:
    tombstone = make_record(topic="registry.services", value=None)
    assert sorter.sort([sorter.read(tombstone)], now_us=7) == ([Entry(tombstone)], [], [])


def test_rejected_rows_count_for_the_limit(sorter: Sorter, make_record: Callable[..., Any]) -> None:
    batch = [make_record(offset=offset) for offset in range(40)]
    sorter.sort(map(sorter.read, batch), now_us=7)
    failure = Failure(PoisonRecord("ROW_REJECTED", "no"), 7)
    work = sorter.judge((record, failure) for record in batch)
    assert [bad.record.offset for bad in work.bad] == list(range(20))
    assert [record.offset for record in work.held] == list(range(20, 40))


def test_dead_letter_that_postgres_refuses_makes_no_other_one(sorter: Sorter, make_record: Callable[..., Any]) -> None:
    record = make_record(topic="hooks.service_lifecycle.dlq")
    assert sorter.judge([(record, Failure(PoisonRecord("ROW_REJECTED", "no"), 7))]) == ([], [], [])


@pytest.mark.parametrize(
    ("topic", "wanted"),
    [
        ("p.hooks.service_lifecycle", True),
        ("p.hooks.service_lifecycle.dlq", True),
        ("p.intelligence.observations.dlq", True),
        ("p.intelligence.observations", False),
        ("p.workflow.ticks", False),
        ("p.workflow.ticks.dlq", False),
        ("p.registry.services", True),
        ("p.experiment.samples", False),
        ("p.experiment.samples.dlq", True),
        ("hooks.service_lifecycle", False),
        ("p.hooks.service_lifecycle2", False),
        ("test.a", True),
        ("test.a.dlq", True),
        ("test.app-counts-changelog", False),
        ("one", True),
        ("one.dlq", True),
        ("ones", False),
    ],
)
def test_subscription(topic: str, wanted: bool) -> None:
    pattern = Subscription("p.{}".format, ".dlq", ["test.*", "one"]).pattern
    assert bool(re.compile(pattern).match(topic)) is wanted


def test_extra_topics_are_read_from_the_environment(make_settings: Callable[..., Settings]) -> None:
    assert make_settings(ADAPTER_EXTRA_TOPICS="one, test.*,").adapter_extra_topics == ("one", "test.*")
    for wrong in ("a*b", "with space", "*.a"):
        with pytest.raises(SettingsError, match="ADAPTER_EXTRA_TOPICS"):
            make_settings(ADAPTER_EXTRA_TOPICS=wrong)
