"""Which of the sources of a setting counts (configuration §3)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from bridge_app.domain.configuration.keys import KEYS, Key
from bridge_app.domain.configuration.tree import SHARED, Tree, environment_prefix
from bridge_app.domain.configuration.values import Value, plain
from bridge_app.settings import Settings

CONSUL, CONSUL_SHARED, ENV, DEFAULT = "consul", "consul_shared", "env", "default"
SOURCES: Final = (CONSUL, CONSUL_SHARED, ENV, DEFAULT)


class Effective(NamedTuple):
    """A value and where it comes from; path and index are those of the key in Consul."""

    value: Value
    source: str
    path: str | None = None
    modify_index: int | None = None


class Trees(NamedTuple):
    """What Consul holds for this environment, and for all."""

    environment: Tree
    shared: Tree

    @classmethod
    def unread(cls, environment: str) -> "Trees":
        return cls(Tree(environment_prefix(environment)), Tree(SHARED))


def base_of(settings: Settings) -> Mapping[str, Effective]:
    """Return what counts without Consul, by the dotted name of the key."""
    readings = settings.readings
    return {
        key.dotted: Effective(
            plain(readings[key.variable].value), ENV if readings[key.variable].is_given else DEFAULT
        )
        for key in KEYS
    }  # fmt: skip


def ranked(key: Key, trees: Trees, base: Mapping[str, Effective]) -> Iterator[Effective]:
    """Yield every source of a key that has a value, the one that counts first."""
    for source, tree in ((CONSUL, trees.environment), (CONSUL_SHARED, trees.shared)):
        held = tree.held.get(key.dotted)
        if held is not None:
            yield Effective(held.value, source, tree.path(key), held.modify_index)
    yield base[key.dotted]


def effective(key: Key, trees: Trees, base: Mapping[str, Effective]) -> Effective:
    """Return the value in force."""
    return next(ranked(key, trees, base))


def overrides(trees: Trees, base: Mapping[str, Effective]) -> dict[str, Any]:
    """Return the values in force that Consul has, by field of the settings."""
    found = {key.field: effective(key, trees, base) for key in KEYS}
    return {field: one.value for field, one in found.items() if one.path is not None}
