"""What Consul holds, as tests write it down."""

from collections.abc import Mapping

from bridge_app.domain.configuration.precedence import Effective, Trees, base_of
from bridge_app.domain.configuration.tree import Entry, Tree, read_tree
from bridge_app.events.envelope import Identity
from bridge_app.settings import Settings

IDENTITY = Identity("omninode-bridge", "0.1.0", "i-1", "n-1", "test")
ENVIRONMENT, SHARED = "omninode-bridge/test/", "omninode-bridge/services/"


def base(**environ: str) -> Mapping[str, Effective]:
    """Return what counts without Consul."""
    return base_of(Settings.from_environ(environ))


def read(before: Tree, **values: tuple[str | bytes, int]) -> Tree:
    """Return a tree that holds these values with their indexes; `tool_capture_proxy__cache_ttl` is a path."""
    entries = {}
    for name, (value, index) in values.items():
        service, _, key = name.partition("__")
        raw = value if isinstance(value, bytes) else value.encode()
        entries[f"{before.prefix}{service.replace('_', '-')}/{key}"] = Entry(raw, index)
    return read_tree(before, entries)


def unread() -> Trees:
    return Trees.unread("test")
