"""Oracle O sees what it is there to see: rows that miss, are twice, in the wrong order, or tell of nothing sent."""

from typing import Any

from tests.lab.bridge_oracle import Recount, Report, Row, judge_initializations, judge_sent, recount
from tests.lab.foreign import name_based
from tests.lab.workload import Fate, Sent

WORKER, OTHER = "http://a", "http://b"


def sent(number: int, *, fate: Fate = Fate.OK, acknowledged: bool = True, worker: str = WORKER) -> Sent:
    return Sent(f"h{number}", "k", fate, f"id{number}", acknowledged, worker)


def row(number: int, offset: int, *, event_id: str | None = None) -> Row:
    return Row(event_id or f"id{number}", "t", "k", 0, offset, "x", None, f"h{number}", 0.1)


def judged(journal: list[Sent], rows: list[Row]) -> Report:
    report = Report("", 0)
    judge_sent(report, journal, rows)
    return report


def test_what_is_stored_once_and_in_order_is_sound() -> None:
    report = judged([sent(0), sent(1)], [row(0, 5), row(1, 6)])
    assert (report.stored, report.flaws) == (2, [])


def test_an_accepted_event_without_a_row_is_missing_a_refused_one_is_not() -> None:
    report = judged([sent(0), sent(1, fate=Fate.FAILED), sent(2, fate=Fate.UNKNOWN)], [])
    assert (report.missing, len(report.flaws)) == (1, 1)


def test_two_rows_of_one_event_are_doubled_whatever_their_ids() -> None:
    report = judged([sent(0)], [row(0, 5), row(0, 6, event_id="another")])
    assert report.doubled == 1


def test_two_rows_of_an_event_that_nobody_knows_of_are_doubled_too() -> None:
    report = judged([sent(0, fate=Fate.UNKNOWN)], [row(0, 5), row(0, 6, event_id="another")])
    assert report.doubled == 1


def test_another_id_than_the_answered_one_is_a_flaw() -> None:
    assert judged([sent(0)], [row(0, 5, event_id="another")]).flaws


def test_a_row_of_nothing_that_was_sent_is_a_flaw() -> None:
    assert judged([sent(0)], [row(0, 5), row(7, 6)]).flaws


def test_an_event_before_an_acknowledged_earlier_one_is_reordered() -> None:
    report = judged([sent(0), sent(1, worker=OTHER)], [row(0, 6), row(1, 5)])
    assert report.reordered == 1


def test_what_waited_in_the_outbox_of_one_worker_may_be_overtaken_by_way_of_another() -> None:
    buffered = sent(0, acknowledged=False)
    assert judged([buffered, sent(1, worker=OTHER)], [row(0, 6), row(1, 5)]).reordered == 0
    assert judged([buffered, sent(1)], [row(0, 6), row(1, 5)]).reordered == 1


def event(event_type: str, number: int, **payload: Any) -> dict[str, Any]:
    info = {"name": "s", "instance_id": "i"}
    payload = {"service_info": info, "derived": {"startup_time_ms": payload.pop("took", None)}, **payload}
    return {"event_id": f"e{number}", "event_type": event_type, "environment": "chaos", "payload": payload}


KIND = f"intelligence.pattern.discovered:{name_based('pattern', 'service_initialization', 'chaos', 's')}"
OBSERVED, CONFIRMED = name_based("e0", KIND, 0), name_based("e0", KIND, 1)
STOPPED = name_based("e1", KIND, 0)
STARTED_AND_STOPPED = recount(
    [event("service.lifecycle.started", 0, took=5), event("service.lifecycle.stopped", 1)]
)  # fmt: skip


def flaws(expected: Recount, found: set[str]) -> list[str]:
    report = Report("", 0)
    judge_initializations(report, expected, found)
    return report.flaws


def test_a_start_is_observed_and_settled_by_its_confirmation_or_by_the_end_of_its_instance() -> None:
    assert STARTED_AND_STOPPED.settled == [{CONFIRMED, STOPPED}]
    assert len(STARTED_AND_STOPPED.measured) == 1
    assert flaws(STARTED_AND_STOPPED, {OBSERVED, CONFIRMED}) == []
    assert flaws(STARTED_AND_STOPPED, {OBSERVED, STOPPED}) == []


def test_a_start_that_is_not_observed_not_settled_or_settled_twice_is_a_flaw() -> None:
    assert flaws(STARTED_AND_STOPPED, {CONFIRMED})
    assert flaws(STARTED_AND_STOPPED, {OBSERVED})
    assert flaws(STARTED_AND_STOPPED, {OBSERVED, CONFIRMED, STOPPED})


def test_an_event_about_a_start_without_cause_is_a_flaw() -> None:
    assert flaws(STARTED_AND_STOPPED, {OBSERVED, CONFIRMED, "made up"})


def test_an_instance_that_becomes_unhealthy_settles_its_start_and_a_healthy_one_does_not() -> None:
    started = event("service.lifecycle.started", 0)
    for status, endings in (("unhealthy", 2), ("CRITICAL", 2), ("degraded", 1)):
        changed = event("service.lifecycle.health_changed", 1, health_transition={"current_status": status})
        assert len(recount([started, changed]).settled[0]) == endings
