"""What became of each mutation, as a Markdown table."""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from tests.mutations.mutation import Mutation
from tests.mutations.trial import Outcome, Trial


class Verdict(Enum):
    """Only CAUGHT is good. OTHERWISE: the test did not pass, but for another reason than the named one."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    OTHERWISE = "FAILED OTHERWISE"
    STALE = "DOES NOT APPLY"


class Result(NamedTuple):
    """One line of the table."""

    mutation: Mutation
    verdict: Verdict
    seconds: float = 0.0


def judge(mutation: Mutation, trial: Trial) -> Verdict:
    """Return what a trial on the mutated tree shows."""
    if trial.outcome is Outcome.PASSED:
        return Verdict.SURVIVED
    caught = trial.outcome is Outcome.FAILED and mutation.saying in trial.said
    return Verdict.CAUGHT if caught else Verdict.OTHERWISE


def table(results: Iterable[Result]) -> str:
    """Return the Markdown table: rule, patch, test, seconds, verdict."""
    rows = ["| rule that is broken | patch | test that must fail | s | |", "| --- | --- | --- | ---: | --- |"]
    for mutation, verdict, seconds in results:
        test = mutation.test.rpartition("::")[2]
        rows.append(f"| {mutation.rule} | {mutation.name} | `{test}` | {seconds:.0f} | {verdict.value} |")
    return "\n".join(rows)
