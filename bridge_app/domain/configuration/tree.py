"""What Consul holds below one path, read key by key (configuration §1, §2)."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bridge_app.domain.configuration.keys import KEYS, PATHS, Key
from bridge_app.domain.configuration.values import Value, is_blank, read_value

ROOT = "omninode-bridge"
SHARED = f"{ROOT}/services/"


class Entry(NamedTuple):
    """A key of Consul's: its bytes, and the index of its last change."""

    value: bytes
    modify_index: int


class Held(NamedTuple):
    """A value that counts."""

    value: Value
    modify_index: int


class Rejected(NamedTuple):
    """A value that does not count, and why."""

    raw: bytes
    reason: str
    modify_index: int


class Tree(NamedTuple):
    """One path as it was read last. `entries` are by whole path; `held` and `rejected` by the dotted name of the key.

    A key may be in both: its last good value stays in force until there is another, or none.
    """

    prefix: str
    entries: Mapping[str, Entry] = {}
    held: Mapping[str, Held] = {}
    rejected: Mapping[str, Rejected] = {}

    def path(self, key: Key) -> str:
        return self.prefix + key.path

    def entry(self, key: Key) -> Entry | None:
        """Return what is there of a key; None when it is absent or empty, which is the same."""
        found = self.entries.get(self.path(key))
        return None if found is None or is_blank(found.value) else found

    def unknown(self) -> Iterator[str]:
        """Yield the paths that nobody reads. Folders, and what begins with a dot, are no configuration."""
        for path in sorted(self.entries):
            below = path.removeprefix(self.prefix)
            if below and not is_internal(below) and not below.endswith("/") and below not in PATHS:
                yield path


def environment_prefix(environment: str) -> str:
    """Return the path of a deployment's own keys."""
    return f"{ROOT}/{environment}/"


def is_internal(path: str) -> bool:
    """Tell whether a part of a path begins with a dot."""
    return any(part.startswith(".") for part in path.split("/"))


def read_tree(before: Tree, entries: Mapping[str, Entry]) -> Tree:
    """Return the tree after another reading."""
    after = Tree(before.prefix, entries)
    held: dict[str, Held] = {}
    rejected: dict[str, Rejected] = {}
    for key in KEYS:
        entry = after.entry(key)
        if entry is None:
            continue
        try:
            held[key.dotted] = Held(read_value(key.kind, entry.value), entry.modify_index)
        except ValueError as error:
            rejected[key.dotted] = Rejected(entry.value, str(error), entry.modify_index)
            if key.dotted in before.held:
                held[key.dotted] = before.held[key.dotted]
    return after._replace(held=held, rejected=rejected)


def lost_all(before: Tree, entries: Mapping[str, Entry]) -> bool:
    """Tell whether a reading has nothing where there was something: it is to be confirmed before it counts."""
    after = Tree(before.prefix, entries)
    return any(map(before.entry, KEYS)) and not any(map(after.entry, KEYS))
