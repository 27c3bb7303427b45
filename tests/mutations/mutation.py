"""One way to break a rule, and the test that must notice."""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
FIELDS = ("Rule", "Loses", "Test", "Saying")


class Mutation(NamedTuple):
    """A patch and its head; `test` is a pytest id, `saying` a part of what its failure says."""

    path: Path
    rule: str
    loses: str
    test: str
    saying: str

    @property
    def name(self) -> str:
        return self.path.stem


def read(path: Path) -> Mutation:
    """Return the mutation of a patch.

    Raises:
        ValueError: its head does not have exactly the four lines it should have.
    """
    head = path.read_text().partition("\n\n")[0].splitlines()
    fields = dict(line.split(": ", 1) for line in head if ": " in line)
    if tuple(fields) != FIELDS or len(head) != len(FIELDS) or not all(fields.values()):
        raise ValueError(f"{path.name}: expected a head of {', '.join(FIELDS)}, one line each; found {list(fields)}")
    return Mutation(path, *fields.values())


def all_mutations() -> list[Mutation]:
    """Return every mutation, by name."""
    return [read(path) for path in sorted(FOLDER.glob("*.patch"))]
