"""What another reading of Consul changes (configuration §5)."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from bridge_app.domain.configuration.keys import KEYS, Key
from bridge_app.domain.configuration.notes import Author, author_of
from bridge_app.domain.configuration.precedence import CONSUL, Effective, Trees, effective, ranked
from bridge_app.domain.configuration.tree import Rejected, Tree


class Change(NamedTuple):
    """Another value is in force. `modify_index` is that of the value at `path`; of a deletion, of the deleted one."""

    key: Key
    path: str
    previous: Effective
    new: Effective
    modify_index: int
    is_deletion: bool = False
    author: Author | None = None


class Rejection(NamedTuple):
    """A value does not count; `in_force` is what does."""

    key: Key
    path: str
    rejected: Rejected
    in_force: Effective


def changes(before: Trees, after: Trees, base: Mapping[str, Effective]) -> Iterator[Change]:
    """Yield what changes when one tree was read again."""
    for key in KEYS:
        previous, new = effective(key, before, base), effective(key, after, base)
        if previous.value == new.value:
            continue
        for was, now in zip(before, after, strict=True):
            if was.held.get(key.dotted) != now.held.get(key.dotted):
                yield _change(key, was, now, previous, new)
                break


def first_changes(found: Trees, base: Mapping[str, Effective]) -> Iterator[Change]:
    """Yield what differs from the next source when Consul is read for the first time.

    It is the same on every worker and at every start. Of two sources with the same value the lower one counts, so a
    value that is in force is told unless it was so without Consul.
    """
    for key in KEYS:
        sources = list(ranked(key, found, base))
        for new, following in pairwise(sources):
            if new.value != following.value and new.path is not None and new.modify_index is not None:
                tree = found.environment if new.source == CONSUL else found.shared
                author = author_of(tree, key, new.modify_index, is_deletion=False)
                yield Change(key, new.path, following, new, new.modify_index, author=author)
                break


def rejections(before: Trees, after: Trees, base: Mapping[str, Effective]) -> Iterator[Rejection]:
    """Yield the values that are refused now and were not before."""
    for was, now in zip(before, after, strict=True):
        for key in KEYS:
            rejected, known = now.rejected.get(key.dotted), was.rejected.get(key.dotted)
            if rejected is not None and (known is None or known.modify_index != rejected.modify_index):
                yield Rejection(key, now.path(key), rejected, effective(key, after, base))


def _change(key: Key, was: Tree, now: Tree, previous: Effective, new: Effective) -> Change:
    """Return the change of a key whose value in one tree is another one, or none any more."""
    deleted, entry = was.entry(key), now.entry(key)
    is_deletion = entry is None
    found = entry or deleted
    assert found is not None  # one of the readings has it
    author = author_of(now, key, found.modify_index, is_deletion=is_deletion)
    return Change(key, now.path(key), previous, new, found.modify_index, is_deletion, author)
