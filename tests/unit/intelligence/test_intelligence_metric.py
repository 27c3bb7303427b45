"""The numbers of intelligence, Acceptance 4 to 11 and 20, to the digit; and quiet on normal traffic."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app.domain.intelligence.metric import (
    CPU_PEAK,
    EXECUTION_TIME,
    MEMORY_PEAK,
    Drift,
    Kind,
    Metric,
    Verdict,
    enter,
    forgive,
    judge,
    limits_of,
)

THRESHOLD = 0.7
B = [100, 103, 98, 101, 97, 102, 99, 100, 104, 96]


def run(values: Iterable[float], kind: Kind = EXECUTION_TIME) -> tuple[list[Verdict], list[tuple[int, Drift]], Metric]:
    """Return all verdicts, the drifts with the number of the value that completed them, and the state."""
    metric, verdicts, drifts = Metric(), [], []
    for number, value in enumerate(values, 1):
        verdict = judge(kind, metric, value)
        metric, drift = enter(metric, verdict, THRESHOLD)
        verdicts.append(verdict)
        if drift is not None:
            drifts.append((number, drift))
    return verdicts, drifts, metric


def flagged(values: Iterable[float]) -> list[Verdict]:
    return [verdict for verdict in run(values)[0] if verdict.is_flagged]


def test_intelligence_04_a_spike_after_three_values() -> None:
    (verdict,) = flagged([150, 160, 170, 2500])
    assert verdict.confidence == 0.9616
    assert verdict.ratio == 15.625
    assert verdict.limits is not None
    assert (verdict.limits.upper, verdict.limits.rule) == (480, "ratio_rule")


def test_intelligence_04_memory_is_flagged_and_cpu_is_not() -> None:
    memory = run([100, 105, 110, 450], MEMORY_PEAK)[0][-1]
    assert memory.is_flagged
    assert memory.limits is not None
    assert memory.limits.upper == 315
    cpu = run([30, 32, 34, 85], CPU_PEAK)[0][-1]
    assert not cpu.is_flagged
    assert cpu.limits is not None
    assert cpu.limits.upper == 96


@pytest.mark.parametrize("values", [[150, 160, 170, 155, 165], [2000, 150, 160, 155, 165, 150]])
def test_intelligence_06_ordinary_values_and_a_slow_first_call_are_none(values: list[float]) -> None:
    verdicts, drifts, _ = run(values)
    assert not any(verdict.is_flagged for verdict in verdicts)
    assert drifts == []


def test_intelligence_07_two_samples_teach_nothing_and_three_times_is_a_spike() -> None:
    assert flagged([100, 100, 2500]) == []
    assert flagged([100, 100, 100, 299]) == []
    assert [verdict.confidence for verdict in flagged([100, 100, 100, 300])] == [0.8]


def test_intelligence_08_small_values_need_the_least_margin() -> None:
    assert flagged([10, 10, 10, 109]) == []
    assert [verdict.confidence for verdict in flagged([10, 10, 10, 110])] == [0.9455]


def test_intelligence_10_a_known_spread_decides() -> None:
    assert flagged(B * 30) == []
    assert flagged([*B * 3, 155]) == []
    (verdict,) = flagged([*B * 3, 160])
    assert verdict.confidence == 0.9695
    assert verdict.limits is not None
    assert (verdict.limits.upper, verdict.limits.rule) == (156, "modified_z_score")


def test_intelligence_11_a_slow_rise_is_one_drift_and_no_spike() -> None:
    verdicts, drifts, _ = run([*B * 3, *range(101, 161)])
    assert not any(verdict.is_flagged for verdict in verdicts)
    ((number, drift),) = drifts
    assert (number, round(drift.ratio, 4), drift.confidence) == (65, 1.205, 0.99)


def test_intelligence_11_a_step_is_one_drift() -> None:
    verdicts, drifts, _ = run([*B * 3, *(1.3 * value for value in B * 3)])
    assert not any(verdict.is_flagged for verdict in verdicts)
    assert [number for number, _ in drifts] == [45]


def test_intelligence_20_what_was_no_anomaly_enters_the_baseline() -> None:
    metric = forgive(run([150, 160, 170, 2500])[2])
    limits = limits_of(EXECUTION_TIME, metric.baseline)
    assert limits is not None
    assert limits.upper == 3750
    assert not judge(EXECUTION_TIME, metric, 2500).is_flagged


def test_intelligence_22_lognormal_latencies_are_quiet() -> None:
    rng = random.Random(22)
    series, values = 150, 1000
    spikes = drifts = 0
    for _ in range(series):
        scale = rng.uniform(20, 2000)
        verdicts, found, _ = run(scale * rng.lognormvariate(0, 0.3) for _ in range(values))
        spikes += sum(verdict.is_flagged and verdict.confidence >= THRESHOLD for verdict in verdicts)
        drifts += len(found)
    assert spikes / series < 0.5
    assert drifts / series < 0.5


@given(st.lists(st.floats(0, 1e15), max_size=400))
def test_state_is_bounded_whatever_comes(values: list[float]) -> None:
    *_, metric = run(values)
    assert max(len(metric.baseline), len(metric.flags)) <= 100
    assert max(len(metric.reference), len(metric.recent), len(metric.pending)) <= 30
    assert 0 <= metric.rise <= 16


@given(st.lists(st.floats(1, 1e6), min_size=3, max_size=100), st.floats(0, 1))
def test_what_is_not_above_the_largest_usual_value_is_never_flagged(values: list[float], share: float) -> None:
    metric = Metric(baseline=tuple(values))
    assert not judge(EXECUTION_TIME, metric, share * max(values)).is_flagged
