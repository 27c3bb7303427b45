"""Identifiers are the same on every worker and in every replay, and those of RFC 9562, however they are made."""

from uuid import RFC_4122, UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app import ids


@given(st.lists(st.text() | st.integers(), min_size=1, max_size=4))
def test_a_name_based_id_is_the_uuid5_of_its_parts(parts: list[str | int]) -> None:
    assert ids.name_based(*parts) == str(uuid5(ids.NAMESPACE, "|".join(map(str, parts))))


def test_conventions_11_the_example_of_the_specification() -> None:
    cause = "00000000-0000-4000-8000-000000000001"
    assert ids.derived(cause, "intelligence.pattern.discovered", 0) == "4f402fbd-56a9-556f-b871-1cc22a7af9dc"


def test_a_random_id_is_a_uuid4_of_its_own() -> None:
    made = [ids.random() for _ in range(1000)]
    assert {(UUID(one).version, UUID(one).variant) for one in made} == {(4, RFC_4122)}
    assert [str(UUID(one)) for one in made] == made
    assert len(set(made)) == len(made)
    # Of 122 random bits each is set in about half of them.
    for bit in {*range(128)} - {*range(62, 64), *range(76, 80)}:
        assert 350 < sum(UUID(one).int >> bit & 1 for one in made) < 650


@given(st.uuids())
def test_every_form_of_a_uuid_has_one_canonical_form(one: UUID) -> None:
    for form in (str(one), str(one).upper(), one.hex):
        assert ids.canonical(form) == str(one)


@pytest.mark.parametrize("text", ["", "x" * 36, "00000000-0000-4000-8000-00000000000"])
def test_what_is_no_uuid_has_no_canonical_form(text: str) -> None:
    assert ids.canonical(text) is None
