"""Deadlines come out in order, each once, and only the latest of a key."""

from hypothesis import given
from hypothesis import strategies as st

from bridge_app.runtime.due import DueIndex

keys = st.sampled_from([b"a", b"b", b"c", b"d"])
times = st.integers(0, 20)
actions = st.lists(st.tuples(keys, st.none() | times) | times)


@given(st.dictionaries(keys, times), actions)
def test_the_index_is_a_sorted_map_of_the_latest_deadlines(
    first: dict[bytes, int], actions: list[tuple[bytes, int | None] | int]
) -> None:
    index, model = DueIndex(first.items()), dict(first)
    for action in actions:
        if isinstance(action, tuple):
            key, due = action
            index.put(key, due)
            model.pop(key, None)
            if due is not None:
                model[key] = due
        else:
            ready = sorted((due, key) for key, due in model.items() if due <= action)
            popped = []
            while (found := index.pop(action)) is not None:
                popped.append(found)
            assert popped == [key for _, key in ready]
            for _, key in ready:
                del model[key]
        assert len(index) == len(model)


def test_a_deadline_that_was_put_again_while_due_comes_once() -> None:
    index = DueIndex([(b"k", 1)])
    index.put(b"k", 5)
    index.put(b"k", 1)

    assert index.pop(9) == b"k"
    assert index.pop(9) is None
