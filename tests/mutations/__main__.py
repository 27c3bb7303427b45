"""`python -m tests.mutations`: try every mutation on the services that the environment names; prints Markdown."""

import argparse
import os
import sys

from tests.conftest import NEEDED
from tests.mutations import tree
from tests.mutations.mutation import Mutation, all_mutations
from tests.mutations.report import Result, Verdict, judge, table
from tests.mutations.trial import Outcome, run_tests

SHOWN_CHARACTERS = 3000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description="Break each rule of delivery.")
    parser.add_argument("-k", default="", metavar="TEXT", help="only patches whose name contains it")
    wanted = parser.parse_args().k
    chosen = [mutation for mutation in all_mutations() if wanted in mutation.name]
    missing = [name for name in NEEDED if name not in os.environ]
    if missing:
        _say(f"{missing[0]} is not set: `make mutate` starts the services and sets it")
        return 2
    if not chosen:
        _say("no patch has such a name")
        return 2
    if not _all_pass(sorted({mutation.test for mutation in chosen})):
        return 1
    results = []
    for mutation in chosen:
        results.append(_try(mutation))
        _say(f"{results[-1].seconds:6.1f} s  {mutation.name}: {results[-1].verdict.value}")
    print(table(results))
    caught = sum(result.verdict is Verdict.CAUGHT for result in results)
    _say(f"{caught} of {len(results)} mutations were caught")
    return 0 if caught == len(results) else 1


def _all_pass(tests: list[str]) -> bool:
    """Tell whether the tests pass without any patch: otherwise their failing shows nothing."""
    with tree.copied_tree() as root:
        trial = run_tests(root, tests)
    _say(f"{trial.seconds:6.1f} s  {len(tests)} tests without a patch: {trial.outcome.value}")
    if trial.outcome is not Outcome.PASSED:
        _say(trial.said[-SHOWN_CHARACTERS:])
    return trial.outcome is Outcome.PASSED


def _try(mutation: Mutation) -> Result:
    with tree.copied_tree() as root:
        try:
            tree.apply(mutation.path, root)
        except tree.DoesNotApply as error:
            _say(str(error))
            return Result(mutation, Verdict.STALE)
        trial = run_tests(root, [mutation.test])
    verdict = judge(mutation, trial)
    if verdict is Verdict.OTHERWISE:
        _say(f"expected a failure that says {mutation.saying!r}; {trial.outcome.value}:")
        _say(trial.said[-SHOWN_CHARACTERS:])
    return Result(mutation, verdict, trial.seconds)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
