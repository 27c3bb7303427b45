"""What the benchmark says must follow from what it measured."""

import pytest

from tests.load import contest, workload
from tests.load.contest import BRIDGE, ContestFailed
from tests.load.report import Goal, Results, Sample, rate, table, verdicts

RESULTS: Results = {
    "1,000 keys": {
        "bridge": [Sample(1000, 1.0, 0.5), Sample(1000, 0.5, 0.5), Sample(1000, 0.25, 0.5)],
        "stock": [Sample(100, 2.0, 2.0), Sample(100, 2.0, 2.0), Sample(100, 2.0, 2.0)],
    }
}


def test_bench_rate_is_the_median_of_the_rounds() -> None:
    assert rate(RESULTS["1,000 keys"]["bridge"]) == 2000


def test_bench_table_has_a_row_per_contestant_with_its_ratio_to_the_base() -> None:
    lines = table(RESULTS, unit="events", base="stock").splitlines()

    assert lines[0] == "| events/s | 1,000 keys | × stock | CPU µs each |"
    assert lines[2] == "| bridge | 2,000 (1,000–4,000) | 40.0 | 500.0 |"
    assert lines[3] == "| stock | 50 (50–50) | 1.0 | 20000.0 |"


@pytest.mark.parametrize(
    ("goal", "line"),
    [
        (Goal("1,000 keys", "bridge", 40, "stock"), "- bridge, 1,000 keys: 40.0 × stock, goal ≥ 40 × stock: met"),
        (Goal("1,000 keys", "bridge", 41, "stock"), "- bridge, 1,000 keys: 40.0 × stock, goal ≥ 41 × stock: NOT met"),
        (Goal("1,000 keys", "bridge", 2001), "- bridge, 1,000 keys: 2,000/s, goal ≥ 2,001/s: NOT met"),
    ],
)
def test_bench_verdict_says_where_it_falls_short(goal: Goal, line: str) -> None:
    assert verdicts(RESULTS, [goal]) == line


def test_bench_events_are_as_big_as_they_are_said_to_be_and_their_keys_take_turns() -> None:
    made = list(workload.records(2000, 1000))

    assert all(340 <= len(value) <= 360 for _key, value in made)
    assert len({key for key, _value in made}) == 1000
    assert workload.decode(made[1001][1]).payload.tool_name.encode() == made[1001][0]


def test_bench_total_adds_up() -> None:
    total = None
    for _key, value in workload.records(3, 1):
        total = workload.add(total, workload.decode(value))

    assert total == workload.Total(events=3, duration_ms=0 + 1 + 2)
    assert workload.decode_total(workload.encode_total(total)) == total


def test_bench_contestant_without_a_report_fails_with_the_end_of_its_log() -> None:
    broken = BRIDGE._replace(command=("sh", "-c", "echo no such luck; exit 3"))

    with pytest.raises(ContestFailed, match="no such luck"):
        contest.run(broken, servers="127.0.0.1:9", topic="none", events=1, app_id="none")
