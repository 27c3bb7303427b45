"""Identifiers are the same on every worker and in every replay."""

from bridge_app import ids


def test_conventions_11_the_example_of_the_specification() -> None:
    cause = "00000000-0000-4000-8000-000000000001"
    assert ids.derived(cause, "intelligence.pattern.discovered", 0) == "4f402fbd-56a9-556f-b871-1cc22a7af9dc"
