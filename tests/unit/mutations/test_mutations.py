"""The mutations are kept current, and what is said of them follows from what their tests did."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mutations import tree
from tests.mutations.mutation import FOLDER, Mutation, all_mutations, read
from tests.mutations.report import Result, Verdict, judge, table
from tests.mutations.trial import Outcome, Trial, collected, run_tests

MUTATIONS = all_mutations()
HEAD = "Rule: a rule\nLoses: an event\nTest: test_it.py::test_it\nSaying: assert 1 == 2\n"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_patch_applies_to_the_present_tree(mutation: Mutation) -> None:
    tree.apply(mutation.path, tree.PROJECT, check_only=True)


def test_every_named_test_exists() -> None:
    assert collected(tree.PROJECT, sorted({mutation.test for mutation in MUTATIONS})) == ""


@pytest.mark.parametrize("missing", ["Rule", "Loses", "Test", "Saying"])
def test_a_head_without_one_of_its_lines_is_refused(tmp_path: Path, missing: str) -> None:
    patch = tmp_path / "a.patch"
    lines = [line for line in HEAD.splitlines() if not line.startswith(missing)]
    patch.write_text("\n".join(lines) + "\n\n--- a/x\n")

    with pytest.raises(ValueError, match=r"a\.patch: expected a head of Rule, Loses, Test, Saying"):
        read(patch)


def test_a_patch_whose_surroundings_changed_does_not_apply(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("one\nTWO\nthree\n")
    patch = tmp_path / "a.patch"
    patch.write_text(HEAD + "\n--- a/x\n+++ b/x\n@@ -1,3 +1,2 @@\n one\n-two\n three\n")

    with pytest.raises(tree.DoesNotApply, match="patch failed: x:1"):
        tree.apply(patch, tmp_path)


@pytest.fixture
def trial(tmp_path: Path) -> Callable[[str], Trial]:
    """Return a function that runs one test file of the given text by itself."""

    def run(text: str) -> Trial:
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_it.py").write_text(text)
        return run_tests(tmp_path, ["test_it.py::test_it"])

    return run


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("def test_it(): assert 1 == 2", Verdict.CAUGHT),
        ("def test_it(): assert 1 == 1", Verdict.SURVIVED),
        ("def test_it(): assert 1 == 3", Verdict.OTHERWISE),
        ("import nothing_of_that_name\ndef test_it(): assert 1 == 2", Verdict.OTHERWISE),
        ("def test_other(): assert 1 == 2", Verdict.OTHERWISE),
        ("def test_it(missing_fixture): assert 1 == 2", Verdict.OTHERWISE),
    ],
)
def test_caught_is_what_failed_saying_so_and_not_what_broke(
    trial: Callable[[str], Trial], text: str, verdict: Verdict
) -> None:
    assert judge(MUTATIONS[0]._replace(saying="assert 1 == 2"), trial(text)) is verdict


def test_the_message_of_a_failure_is_said_without_the_source_of_the_test(trial: Callable[[str], Trial]) -> None:
    outcome, said, seconds = trial("def test_it():\n    in_the_source = 1\n    assert in_the_source == 2")

    assert (outcome, "in_the_source" in said) == (Outcome.FAILED, False)
    assert seconds > 0


def test_the_table_has_a_line_per_mutation() -> None:
    mutation = Mutation(FOLDER / "a-name.patch", "a rule", "an event", "tests/x.py::test_it[a]", "no")

    assert table([Result(mutation, Verdict.SURVIVED, 3.4)]).splitlines()[2] == (
        "| a rule | a-name | `test_it[a]` | 3 | SURVIVED |"
    )
